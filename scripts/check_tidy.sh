#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clang-tidy with the checks of .clang-tidy over src and tools.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
awslc=${TERN_AWSLC_ROOT:-build/deps/awslc}
other=openssl
[ "${TERN_TLS:-awslc}" = openssl ] && other=awslc
mkdir -p build
# shellcheck disable=SC2016 # "$@" is for the inner shell
find src tools -name '*.c' 2>/dev/null | grep -v "_$other\.c$" | sort |
  xargs -r -n 3 -P "$(nproc)" bash -c 'clang-tidy --quiet "$@" -- -std=c17 -Iinclude -Isrc -Itools \
    -isystem '"$awslc"'/include -DTERN_TLS_AWSLC=1 -DTERN_HAS_BROTLI=0 -DTERN_HAS_ZLIB=0 2>/dev/null; true' tidy \
    >build/tidy.log
if grep -q 'error:\|warning:' build/tidy.log; then
  cat build/tidy.log
  exit 1
fi
echo "tidy: nothing found"
