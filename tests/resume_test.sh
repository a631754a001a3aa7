#!/bin/sh
# kill -9 of `assay neurons graph` at several moments, and the same command again: the run must end with the rows of an
# uninterrupted one. Usage: resume_test.sh ASSAY SHARED_FOLDER. Exits with 77 (skipped) where the model is absent.
set -eu
assay=$1
model=$2/models/stories260k
text=$2/data/text/tinystories_700.jsonl
if [ ! -f "$model/config.json" ] || [ ! -f "$text" ]; then
  echo "skipped: $model or $text is absent"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
units=0-4:0-19
# One thread: on a busy machine threads wait for each other.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

logged() {
  "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
}
graph() {
  logged "$assay" neurons graph --run "$1" --units $units --substitutes none --block 8
}
now_ms() { date +%s%3N; }

logged "$assay" neurons collect --model "$model" --text "$text" --max-sequences 300 --top 10 --sample 0 \
  --run "$folder/collected"
cp -r "$folder/collected" "$folder/whole"
cp -r "$folder/collected" "$folder/killed"
begin=$(now_ms)
graph "$folder/whole"
took=$(($(now_ms) - begin))

# A share of the uninterrupted time, start-up of the program included. Where a run ends before it, for the machine is
# quicker now, everything begins again with a smaller share.
killed=0
percent=45
while [ $killed -lt 3 ] && [ $percent -gt 2 ]; do
  "$assay" neurons graph --run "$folder/killed" --units $units --substitutes none --block 8 >"$folder/log" 2>&1 &
  process=$!
  sleep "$(awk "BEGIN { print $took * $percent / 100000 }")"
  kill -9 $process 2>/dev/null || true
  status=0
  wait $process || status=$?
  if [ $status -eq 137 ]; then
    killed=$((killed + 1))
  elif [ $status -eq 0 ]; then
    killed=0
    percent=$((percent / 2))
    rm -rf "$folder/killed"
    cp -r "$folder/collected" "$folder/killed"
  else
    cat "$folder/log"
    exit 1
  fi
done
[ $killed -gt 0 ] || { echo "no run was killed: every one ended before its time"; exit 1; }
graph "$folder/killed"

for run in whole killed; do
  logged "$assay" neurons export --run "$folder/$run" --units $units --format json --out "$folder/$run.json"
done
diff -r "$folder/whole.json" "$folder/killed.json" >"$folder/difference" || {
  echo "the rows differ after $killed kills:"
  cut -c 1-300 "$folder/difference" | head -20
  exit 1
}
echo "$(find "$folder/whole.json" -type f | wc -l) files equal after $killed kills (uninterrupted: $took ms)"
