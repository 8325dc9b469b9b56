#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs a build folder's tests and ends on ctest's own summary line.
#   scripts/run_ctest.sh BUILD [JOBS]
set -uo pipefail
build=$1
log=$build/ctest.log
# sanitizers of older compilers and kernels with much address-space randomness do not get along
fixed=()
case $build in
*asan*) if command -v setarch >/dev/null && setarch -R true 2>/dev/null; then fixed=(setarch -R); fi ;;
esac
${fixed[@]+"${fixed[@]}"} ctest --test-dir "$build" -j "${2:-2}" --output-on-failure --no-tests=error 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
skipped=$(grep -c '\*\*\*Skipped' "$log")
[ "$skipped" = 0 ] || echo "$skipped skipped: $(grep '\*\*\*Skipped' "$log" | awk '{print $4}' | tr '\n' ' ')"
# ctest counts a program as passed even if it skipped cases: those are named, so that nobody believes more
cases=$(sed -n 's/^\[  SKIPPED \] \([A-Za-z0-9_]*\)$/\1/p' "$build/Testing/Temporary/LastTest.log" 2>/dev/null |
  sort -u | tr '\n' ' ')
[ -z "$cases" ] || echo "not run, inside programs that count as passed (their data is where TERN_SPEC points): $cases"
grep 'tests passed, .* tests failed out of' "$log"
exit "$status"
