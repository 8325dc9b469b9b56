#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The simulated evidence at full size: every test_sim_* program with TERN_SEEDS seeds (default 2000), one
# after the other at low priority, with the figures they print. Minutes on one core.
#   scripts/sim_study.sh [folder with the test programs, default build/dev/test]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export TERN_SEEDS=${TERN_SEEDS:-2000}
folder=${1:-build/dev/test}
passed=0 failed=0
for program in "$folder"/test_transport_sim_*; do
  [ -x "$program" ] || continue
  name=${program##*/test_transport_}
  start=$SECONDS
  if out=$(nice "$program" 2>&1); then
    passed=$((passed + 1))
    result=ok
  else
    failed=$((failed + 1))
    result=FAILED
  fi
  printf '%s: %s, %d s\n' "$name" "$result" $((SECONDS - start))
  grep -v '^\[\(=\| RUN\|       OK\|  PASSED\)' <<<"$out" | sed 's/^/  /'
done
echo "sim study with $TERN_SEEDS seeds: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
