#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy with the checks of .clang-tidy over src and tools. A file that passed is looked at again
# only when what the preprocessor makes of it has changed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
awslc=${TERN_AWSLC_ROOT:-build/deps/awslc}
other=openssl
[ "${TERN_TLS:-awslc}" = openssl ] && other=awslc
export FLAGS="-std=c17 -Iinclude -Isrc -Itools -isystem $awslc/include -DTERN_TLS_AWSLC=1
  -DTERN_HAS_BROTLI=0 -DTERN_HAS_ZLIB=0 -DTERN_HAS_YAML=0"
export ANALYZER="-Xclang -analyzer-config -Xclang max-nodes=50000" # a quarter of the usual; minutes less
export SEEN=build/tidy
mkdir -p "$SEEN"

look() {
  local mark
  # shellcheck disable=SC2086 # the flags are meant to be split
  mark=$SEEN/$({ cat .clang-tidy; clang -E $FLAGS "$1"; } 2>/dev/null | sha256sum | cut -d' ' -f1)
  [ -f "$mark" ] && return 0
  # shellcheck disable=SC2086
  out=$(clang-tidy --quiet "$1" -- $FLAGS $ANALYZER 2>/dev/null)
  if grep -q 'error:\|warning:' <<<"$out"; then
    printf '%s\n' "$out"
    return 1
  fi
  : >"$mark"
}
export -f look

# shellcheck disable=SC2016 # "$1" is for the inner shell
find src tools -name '*.c' 2>/dev/null | grep -v "_$other\.c$" | sort |
  xargs -r -n 1 -P "$(nproc)" bash -c 'look "$1"' tidy || exit 1
find "$SEEN" -type f -mtime +7 -delete
echo "tidy: nothing found"
