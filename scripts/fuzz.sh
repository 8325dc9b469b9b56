#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs each fuzzer of a folder for FUZZ_SECONDS (default 600), starting from test/corpus/<thing>.
#   scripts/fuzz.sh build/fuzz/fuzz [thing...]
# New inputs stay in build/corpus/<thing>; a crash is kept in build/fuzz-crashes and fails the run.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-600}
folder=$1
shift
passed=0 failed=0
for fuzzer in "$folder"/fuzz_*; do
  [ -x "$fuzzer" ] || continue
  thing=${fuzzer##*/fuzz_}
  [ $# -eq 0 ] || case " $* " in *" $thing "*) ;; *) continue ;; esac
  mkdir -p "build/corpus/$thing" build/fuzz-crashes
  seeds=()
  [ -d "test/corpus/$thing" ] && seeds=("test/corpus/$thing")
  log=build/fuzz-crashes/$thing.log
  if "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="build/fuzz-crashes/$thing-" "build/corpus/$thing" "${seeds[@]}" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'fuzz %-16s ok, %s runs, coverage %s\n' "$thing" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)"
  else
    failed=$((failed + 1))
    tail -n 25 "$log"
    printf 'fuzz %-16s FAILED, see %s\n' "$thing" "$log"
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
