#!/usr/bin/env bash
# Gathers the text that the default model learns from: scripts/training_text.sh OUT_DIR
#
# Packages are downloaded and unpacked under OUT_DIR/fetch, so that the system is left as it is, except for the few
# programs that render them. Writes OUT_DIR/{train,held_out}/{prose,mail,docs,code}.jsonl, one {"text": ...} a line, and
# OUT_DIR/SOURCES.json with package, version, licence and bytes. Needs Debian 12 and about 300 MB of disk.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 OUT_DIR" >&2
  exit 2
fi
scripts=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)

missing=()
command -v python3 >/dev/null || missing+=(python3)
command -v pod2text >/dev/null || missing+=(perl)
command -v mandoc >/dev/null || missing+=(mandoc)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ] || [ -z "$(apt-cache show fortunes 2>/dev/null)" ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q
  [ ${#missing[@]} -eq 0 ] || "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# Each package is unpacked in a folder of its own: fetch/debian/NAME, fetch/npm/NAME. A folder named NAME is complete.
mkdir -p "$out/fetch/debian" "$out/fetch/npm"
work=$(mktemp -d "$out/fetch/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

fetch_debian() {
  local name=$1
  [ ! -d "$out/fetch/debian/$name" ] || return 0
  echo "fetching $name"
  mkdir "$work/$name"
  (cd "$work/$name" && apt-get download -q "$name" >log 2>&1) || { cat "$work/$name/log" >&2; return 1; }
  dpkg -x "$work/$name"/*.deb "$work/$name/unpacked"
  dpkg-deb -f "$work/$name"/*.deb Version >"$work/$name/unpacked/VERSION"
  mv "$work/$name/unpacked" "$out/fetch/debian/$name"
}

fetch_npm() {  # NAME@VERSION; the tarball alone: its dependencies hold no text
  local spec=$1 folder
  folder=$(basename "${1%@*}")
  [ ! -d "$out/fetch/npm/$folder" ] || return 0
  echo "fetching $spec"
  mkdir "$work/$folder"
  (cd "$work/$folder" && npm pack --silent "$spec" >/dev/null && tar xf ./*.tgz)
  echo "${spec##*@}" >"$work/$folder/package/VERSION"
  mv "$work/$folder/package" "$out/fetch/npm/$folder"
}

for name in $(python3 -B "$scripts/training_text/gather.py" --list debian); do fetch_debian "$name"; done
for spec in $(python3 -B "$scripts/training_text/gather.py" --list npm); do fetch_npm "$spec"; done
python3 -B "$scripts/training_text/gather.py" --from "$out/fetch" --out "$out"
