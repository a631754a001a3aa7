#!/bin/sh
# REET's table in shape: fooling rates of classifiers trained without augmentation, with random transforms and with
# transforms that hurt them, over several seeds. A killed run goes on where it stopped; the table is printed at the end.
# Usage: reet_table.sh ASSAY TILES OUT [EPOCHS [TEST_TILES [SEEDS]]]
#   TILES  tiles with splits train and test and with patients, for example ../shared/data/idc
#   OUT    folder of the runs: OUT/METHOD-SEED/ (classifier, history.json) and OUT/METHOD-SEED/evaluation/
set -eu
assay=$1
tiles=$2
out=$3
epochs=${4:-6}
limit=${5:-200}
seeds=${6:-1 2 3}
transforms=rotate,crop,zoom_in,zoom_out,blur_rectangle,mean
here=$(dirname "$0")

for seed in $seeds; do
  for method in standard random adversarial; do
    run=$out/$method-$seed
    # Without flips: what the rows know of turned tiles is to come from their method.
    if [ ! -f "$run/classifier.safetensors" ] || [ -f "$run/training.checkpoint" ]; then
      "$assay" robust train --tiles "$tiles" --out "$run" --name classifier --architecture resnet18w16 --no-flips \
        --method $method --transforms $transforms --epochs "$epochs" --train-batch 32 --rate 0.05 \
        --train-seed "$seed" --validation-share 0.25
    fi
    # REET's budgets: 10 candidates of what is searched (9 draws and a local step), 50 grey levels of mean.
    if [ ! -f "$run/evaluation/report.json" ]; then
      "$assay" robust evaluate --model "$run/classifier.safetensors" --tiles "$tiles" --split test --limit "$limit" \
        --transforms $transforms --attacks none --draws 9 --refinements 1 --steps 10 --no-curves --saliency none \
        --gallery 0 --masks none --threshold 0.5 --seed 1 --out "$run/evaluation"
    fi
  done
done
python3 "$here/reet_table.py" "$out"
