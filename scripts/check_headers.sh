#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each header compiles alone, twice in a row; the public ones as C++ too.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
awslc=${TERN_AWSLC_ROOT:-build/deps/awslc}
flags="-fsyntax-only -Wall -Wextra -Wpedantic -Wundef -Werror -Iinclude -Isrc -Itools -Itest -isystem $awslc/include"

try() { # compiler standard language header
  local out
  # shellcheck disable=SC2086 # the flags are meant to be split
  if ! out=$(printf '#include "%s"\n#include "%s"\ntypedef int tern_probe;\n' "$4" "$4" | $1 $2 $flags -x "$3" - 2>&1); then
    printf '%s alone (%s):\n%s\n' "$4" "$1" "$(head -n 6 <<<"$out")"
    return 1
  fi
}

failed=0 count=0
while IFS= read -r header; do
  count=$((count + 1))
  for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    try $compiler -std=c17 c "$PWD/$header" || failed=$((failed + 1))
  done
  case $header in
  include/*)
    command -v g++ >/dev/null && { try g++ -std=c++11 c++ "$PWD/$header" || failed=$((failed + 1)); }
    ;;
  esac
done < <(find include src tools -name '*.h' 2>/dev/null | sort)
echo "headers: $count, $failed problem(s)"
[ "$failed" -eq 0 ]
