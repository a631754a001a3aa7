#!/bin/bash
# Is the embedding-loss autoencoder more monosemantic than a standard one at equal L0 and equal
# unexplained variance? Trains small autoencoders of four kinds over a range of sparsities on one
# hook of a model, and prints them beside each other and at matched points: with embeddings of the
# input as it is, and without its constant part, which the embedding loss can lean on.
#   scripts/sae_comparison.sh TRAINING_TEXT HELD_OUT_TEXT OUT    (about 10 minutes on one core)
# From the environment: ASSAY (the program), MODEL (default), HOOK, FEATURES, STEPS, BATCH, TOKENS,
# L1 (weights of the L1 penalty), WEIGHTS (of the embedding loss), CENTRED_WEIGHTS (of that of centred
# inputs), EMBEDDING_L1 (L1 beside both), K (of topk), EVALUATED (tokens), UNITS, SEED (of the
# training). Autoencoders that OUT holds already are kept.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 3 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
text=$1 held_out=$2 out=$3
assay=${ASSAY:-build/dev/src/app/assay}
model=${MODEL:-default}
train=("$assay" sae train --model "$model" --hook "${HOOK:-blocks.3.hook_resid_pre}" --text "$text"
  --features "${FEATURES:-768}" --steps "${STEPS:-1500}" --batch "${BATCH:-512}"
  --tokens "${TOKENS:-200000}" --rate 2e-3 --train-seed "${SEED:-1}")

# NAME OPTIONS...: one autoencoder, unless it is there.
train_one() {
  local name=$1
  shift
  saes+=("$out/$name")
  [ -f "$out/$name/sae_weights.safetensors" ] && return
  "${train[@]}" --out "$out/$name" "$@" | sed -n "s/^last batch: /$name: /p"
}

saes=()
for l1 in ${L1:-0.5 1 2 4}; do
  train_one "standard_$l1" --kind standard --l1 "$l1"
done
for weight in ${WEIGHTS:-30 100}; do
  for l1 in ${EMBEDDING_L1:-0.7 1.5 3}; do
    train_one "embedding_${weight}_$l1" --kind embedding --embedding-weight "$weight" --l1 "$l1"
  done
done
for weight in ${CENTRED_WEIGHTS-30}; do
  for l1 in ${EMBEDDING_L1:-0.7 1.5 3}; do
    train_one "centred_${weight}_$l1" --kind centred-embedding --embedding-weight "$weight" --l1 "$l1"
  done
done
for k in ${K-8 16 32}; do
  train_one "topk_$k" --kind topk --k "$k"
done
# Distances do not depend on where clusters are cut; the fixed cut is the published one.
evaluate=("$assay" sae evaluate "${saes[@]}" --model "$model" --text "$held_out"
  --max-tokens "${EVALUATED:-10000}" --units "${UNITS:-100}" --cut fixed --distance 0.2
  --interval-draws 0 --stability-draws 0)
"${evaluate[@]}" --json "$out/figures.json" --svg "$out/curves.svg"
echo
echo "embeddings centred by the decoder bias:"
"${evaluate[@]}" --centred --json "$out/figures_centred.json" --svg "$out/curves_centred.svg"
