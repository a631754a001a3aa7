#!/usr/bin/env bash
# Runs all tests of a build and lists those that skipped: scripts/test.sh BUILD_DIR JOBS
set -uo pipefail

log=$1/test.log
ctest --test-dir "$1" --output-on-failure --no-tests=error --parallel "$2" 2>&1 | tee "$log"
status=$?
sed -n 's/^\[  SKIPPED \] \(.*\) (.*ms)$/skipped: \1/p' "$1/Testing/Temporary/LastTest.log" | sort -u
grep -E '^[0-9]+% tests passed' "$log"
exit $status
