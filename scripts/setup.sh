#!/usr/bin/env bash
# Installs what Assay needs on Debian 12: scripts/setup.sh [--list] [GROUP...]   (groups: build test fuzz lint text)
#
# Without a group: build and test, which is what `make build`, `make test` and `make demo` need. Does nothing, quickly,
# when all of it is there; otherwise needs root or sudo. --list prints the packages and installs nothing.
# This is the only list of packages; tests/check_packages.py holds it against what the build really uses.
set -euo pipefail

build=(
  make cmake ninja-build g++ ccache pkg-config
  libtorch-dev libopenblas0-pthread  # with Debian's reference BLAS a matrix product takes 35 times as long
  nlohmann-json3-dev libcli11-dev libfmt-dev libspdlog-dev
  libsqlite3-dev libxxhash-dev libssl-dev
  libfaiss-dev
  libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev  # tiles
  libopenslide-dev libhdf5-dev libzip-dev
  libpcre2-dev libicu-dev libsentencepiece-dev
  libgraphviz-dev fonts-dejavu-core  # graph layout measures labels with a real font
)
page=(nodejs npm)                  # for web/: the page of `assay serve`
browser=(chromium)                 # for its tests
test=(libgtest-dev libgmock-dev libbenchmark-dev python3 python3-yaml)
fuzz=(clang libclang-rt-dev)
lint=(clang-format clang-tidy libstdc++-11-dev python3)
text=(python3 perl mandoc ca-certificates)  # for scripts/training_text.sh; and npm, below

list_only=
if [ "${1:-}" = --list ]; then
  list_only=1
  shift
fi
[ $# -gt 0 ] || set -- build test

# People install node and browsers from elsewhere, and node's own packages do not go with Debian's npm.
present() {
  local program
  [ -z "$list_only" ] || return 1
  for program in "$@"; do command -v "$program" >/dev/null || return 1; done
}

wanted=()
for group in "$@"; do
  case $group in
    build)
      wanted+=("${build[@]}")
      present node npm || wanted+=("${page[@]}")
      ;;
    test)
      wanted+=("${test[@]}")
      present chromium || present google-chrome || wanted+=("${browser[@]}")
      ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    lint) wanted+=("${lint[@]}") ;;
    text)
      wanted+=("${text[@]}")
      present npm || wanted+=(npm)
      ;;
    *)
      echo "setup: unknown group '$group'; expected build, test, fuzz, lint or text" >&2
      exit 2
      ;;
  esac
done

if [ -n "$list_only" ]; then
  printf '%s\n' "${wanted[@]}" | sort -u
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: not a Debian system; make sure that the equivalents of these are installed: ${wanted[*]}" >&2
  exit 0
fi

# An unknown package is an error of dpkg-query, and no line.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null |
  sed -n 's/ installed$//p' || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: as root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600)
"${apt[@]}" update </dev/null
"${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
