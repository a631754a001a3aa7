#!/bin/bash
# What Assay does, on the shipped models, as a newcomer would do it by hand: each command is printed before it runs. Neuron to
# Graph and feature clusters of a language model, then how little it takes to fool a classifier of tiles. Ends with the page
# on what came out, until Ctrl-C.
# Usage: scripts/demo.sh PATH_OF_ASSAY [--no-serve]   (within 5 minutes on two cores; results in runs/)
set -euo pipefail
cd "$(dirname "$0")/.."
assay=$1
serve=yes
case ${2:-} in
  '') ;;
  --no-serve) serve= ;;
  *)
    echo "demo: unknown option '$2'; expected --no-serve" >&2
    exit 2
    ;;
esac
run=runs/demo
text=runs/demo-text
tissue=runs/demo-tissue
tiles=runs/demo-tiles
units=runs/demo-units
neurons=${DEMO_NEURONS:-100}  # of each layer

step() { printf '\n\033[1m$ assay %s\033[0m\n' "$*"; "$assay" "$@"; }

# A real text that every Debian system with the build's packages has: the licences and the Perl documentation.
if [ ! -s "$text/text.jsonl" ]; then
  mkdir -p "$text"
  python3 scripts/demo_text.py "$text/text.jsonl"
fi
rm -rf "$run" "$tissue" "$tiles" "$units"
step doctor

# What does each neuron respond to?
step neurons collect --text "$text/text.jsonl" --run "$run" --max-tokens 250000
step neurons graph --run "$run" --sample "$neurons" --seed 1 --trajectory-context 8
step neurons score --run "$run" --sequences 30 --json "$run/scores.json"
step neurons embed --run "$run" --sample "$neurons" --seed 1
step neurons similar --run "$run" --by embedding
step neurons graph --run "$run" --by cluster --sample 20
step neurons search --run "$run" --activating of --limit 5
step neurons search --run "$run" --repeated --limit 5
# The graphs that gain most over a lookup of single tokens, of neurons that fire as strongly as others of their layer.
mapfile -t best < <(python3 - "$run" <<'E3'
import json, sqlite3, sys
run = sys.argv[1]
largest = {(layer, unit): maximum for layer, unit, maximum in
           sqlite3.connect(f"file:{run}/assay.db?mode=ro", uri=True).execute("SELECT layer, unit, maximum FROM unit_stats")}
of_layer = {}
for (layer, _), value in largest.items():
    of_layer[layer] = max(value, of_layer.get(layer, 0))
units = [u for u in json.load(open(f"{run}/scores.json"))["units"]
         if largest[u["layer"], u["neuron"]] >= 0.01 * of_layer[u["layer"]]]
f1 = lambda u: u["sets"].get("held_out", {}).get("n2g", {}).get("f1") or 0
gain = lambda u: f1(u) - (u["sets"].get("held_out", {}).get("token_lookup", {}).get("f1") or 0)
for u in sorted(units, key=lambda u: (-gain(u), -f1(u), u["layer"], u["neuron"]))[:3]:
    print(f'{u["layer"]}:{u["neuron"]}')
E3
)
for unit in "${best[@]}"; do
  step neurons show "$unit" --run "$run" --svg "$run/neuron_${unit/:/_}.svg"
done
step neurons show "${best[0]}" --run "$run"
step neurons report --run "$run"

# How little does it take to fool a classifier? Generated tiles, for which the shipped one was trained.
step robust synthesize --out "$tissue" --tiles 30 --patients 10 --seed 7
step robust evaluate --tiles "$tissue" --masks "$tissue/masks" --out "$tiles" --attacks pgd,least \
  --transforms stain,jpeg --steps 20 --saliency gradient
# And what does each of its units respond to?
step neurons embed --images models/assay-he/assay-he.safetensors --tiles "$tissue" --run "$units"

cat <<E3

Done. Look at:
  $run/index.html            every layer and neuron: scores, map, pages, as files
  $run/neuron_*.svg          three graphs
  $run/scores.json           the score table as JSON
  $tiles/report.html   what fooled the classifier, as one file
Next: $assay neurons show L:N --run $run, or your own model: see README.md.
E3

if [ -z "$serve" ]; then
  echo "The page over these runs: $assay serve $run $tiles $units"
  exit 0
fi
# The usual address, or any free one when something answers there already.
port=8321
if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then port=0; fi
printf '\n\033[1m$ assay serve %s %s %s --port %s\033[0m   explore it here:\n' "$run" "$tiles" "$units" "$port"
exec "$assay" serve "$run" "$tiles" "$units" --port "$port"
