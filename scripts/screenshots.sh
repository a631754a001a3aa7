#!/bin/bash
# The README's pictures of the page: scripts/screenshots.sh BUILD_FOLDER   (from the runs of `make demo`; needs Chromium)
# One neuron, the clusters of a polysemantic one, and a fooled tile, into docs/page-*.png.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
if ! { [ -f runs/demo/scores.json ] && [ -f runs/demo-tiles/report.json ]; }; then
  scripts/demo.sh "$build/src/app/assay" --no-serve
fi
export ASSAY_NODE_MODULES="$PWD/$build/web/sources/node_modules"
exec node web/test/screenshots.mjs "$build/src/app/assay" "$build/web/dist" docs runs/demo runs/demo-tiles
