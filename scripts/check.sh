#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything that can be known without running tern against a clock or a network. Each step prints one line, or what is wrong.
#   scripts/check.sh [step...]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
mkdir -p build
passed=0 failed=0
only=" $* "

step() { # name command...
  local name=$1 out start=$SECONDS
  shift
  [ "$only" = "  " ] || case $only in *" $name "*) ;; *) return 0 ;; esac
  if out=$("$@" 2>&1); then
    passed=$((passed + 1))
    printf 'ok    %-13s %3ds  %s\n' "$name" $((SECONDS - start)) "$(tail -n 1 <<<"$out")"
  else
    failed=$((failed + 1))
    printf '%s\n' "$out" | head -n 60
    printf 'FAIL  %-13s %3ds\n' "$name" $((SECONDS - start))
  fi
}
check_format() { scripts/list_sources.sh | xargs -r clang-format --dry-run -Werror --ferror-limit=3; }
check_build_exports() {
  make build >build/check-build.log 2>&1 || { tail -n 30 build/check-build.log; return 1; }
  python3 scripts/check_exports.py build/dev
}
check_instructions() {
  cmake --build build/dev --target bench_packets >build/check-packets.log 2>&1 || { tail -n 30 build/check-packets.log; return 1; }
  python3 scripts/check_instructions.py
}

step includes python3 scripts/check_includes.py
step sizes python3 scripts/check_sizes.py
step words python3 scripts/check_words.py
step generated scripts/check_generated.sh
step requirements python3 scripts/check_requirements.py
step caps python3 scripts/check_caps.py
step format check_format
step headers scripts/check_headers.sh
step gcc scripts/check_warnings.sh gcc
step clang scripts/check_warnings.sh clang
step exports check_build_exports
step instructions check_instructions
step tidy scripts/check_tidy.sh
echo "check: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
