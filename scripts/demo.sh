#!/bin/bash
# Neuron to Graph on the shipped model, as a newcomer would do it by hand: each command is printed before it runs. Ends with
# the page on what came out, until Ctrl-C.
# Usage: scripts/demo.sh PATH_OF_ASSAY [--no-serve]   (about 5 minutes on two cores; results in runs/demo/)
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
neurons=${DEMO_NEURONS:-100}  # of each layer

step() { printf '\n\033[1m$ assay %s\033[0m\n' "$*"; "$assay" "$@"; }

# A real text that every Debian system with the build's packages has: the licences and the Perl documentation.
if [ ! -s "$text/text.jsonl" ]; then
  mkdir -p "$text"
  python3 scripts/demo_text.py "$text/text.jsonl"
fi
rm -rf "$run"
step doctor
step neurons collect --text "$text/text.jsonl" --run "$run" --max-tokens 250000
step neurons graph --run "$run" --sample "$neurons" --seed 1 --trajectory-context 8
step neurons score --run "$run" --sequences 30 --json "$run/scores.json"
step neurons embed --run "$run" --sample "$neurons" --seed 1
step neurons similar --run "$run" --by embedding
step neurons graph --run "$run" --by cluster --sample 20
step neurons search --run "$run" --activating of --limit 5
step neurons search --run "$run" --repeated --limit 5
# The three best graphs of more than one token, drawn.
mapfile -t best < <(python3 - "$run/scores.json" <<'E2'
import json, sys
units = json.load(open(sys.argv[1]))["units"]
f1 = lambda u: u["sets"].get("held_out", {}).get("n2g", {}).get("f1") or 0
gain = lambda u: f1(u) - (u["sets"].get("held_out", {}).get("token_lookup", {}).get("f1") or 0)
for u in sorted(units, key=lambda u: (-gain(u), u["layer"], u["neuron"]))[:3]:
    print(f'{u["layer"]}:{u["neuron"]}')
E2
)
for unit in "${best[@]}"; do
  step neurons show "$unit" --run "$run" --svg "$run/neuron_${unit/:/_}.svg"
done
step neurons show "${best[0]}" --run "$run"
step neurons report --run "$run"

cat <<E2

Done. Look at:
  $run/index.html          every layer and neuron: scores, map, pages, as files
  $run/neuron_*.svg        three graphs
  $run/scores.json         the score table as JSON
Next: $assay neurons show L:N --run $run, or your own model: see README.md.
E2

if [ -z "$serve" ]; then
  echo "The page over this run: $assay serve $run"
  exit 0
fi
# The usual address, or any free one when something answers there already.
port=8321
if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then port=0; fi
printf '\n\033[1m$ assay serve %s --port %s\033[0m   explore it here:\n' "$run" "$port"
exec "$assay" serve "$run" --port "$port"
