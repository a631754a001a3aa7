#!/bin/sh
# kill -9 of `assay robust train` twice, between and within epochs, and the same command again: the weights must be those
# of an uninterrupted training. Usage: train_resume_test.sh ASSAY.
set -eu
assay=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# One thread: on a busy machine threads wait for each other.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

train() {
  exec "$assay" robust train --tiles "$folder/tiles" --out "$1" --name classifier --method adversarial \
    --transforms rotate,mean,blur --k 2 --draws 2 --epochs 10 --train-batch 16
}
epochs_of() { grep -c '"epoch"' "$1/history.json" 2>/dev/null || true; }

"$assay" robust synthesize --out "$folder/tiles" --tiles 96 --size-px 32 --patients 6 --seed 1 >"$folder/log" 2>&1 || {
  cat "$folder/log"
  exit 1
}
(train "$folder/whole") >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
for after in 1 4; do
  (train "$folder/killed") >"$folder/log" 2>&1 &
  process=$!
  until [ "$(epochs_of "$folder/killed")" -ge $after ] 2>/dev/null; do
    kill -0 $process 2>/dev/null || { cat "$folder/log"; exit 1; }
    sleep 0.02
  done
  kill -9 $process
  status=0
  wait $process || status=$?
  [ $status -eq 137 ] || { echo "the training ended before it was killed"; exit 1; }
done
(train "$folder/killed") >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
grep -q "going on after epoch" "$folder/log"
[ ! -e "$folder/killed/training.checkpoint" ]
cmp "$folder/whole/classifier.safetensors" "$folder/killed/classifier.safetensors"
[ "$(epochs_of "$folder/killed")" -eq 10 ]
echo "the same weights after 2 kills"
