#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every source file without a warning, with gcc and with clang. Nothing is written.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
awslc=${TERN_AWSLC_ROOT:-build/deps/awslc}
other=openssl
[ "${TERN_TLS:-awslc}" = openssl ] && other=awslc
compiler=$1
flags="-std=c17 -O1 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wcast-qual -Wwrite-strings -Wundef -Wpointer-arith -Werror
  -DTERN_TLS_AWSLC=1 -DTERN_HAS_BROTLI=0 -DTERN_HAS_ZLIB=0 -DTERN_HAS_YAML=0
  -Iinclude -Isrc -Itools -Itest -Ifuzz -isystem $awslc/include"
command -v "$compiler" >/dev/null || { echo "no $compiler here"; exit 1; }

sources() { scripts/list_sources.sh | grep '\.c$' | grep -v "_$other\.c$" | grep -v '^test/embed/'; }
# shellcheck disable=SC2086 # the flags are meant to be split
look() { xargs -r -n 8 -P "$(nproc)" "$compiler" $flags "$@"; }

status=0
sources | grep -v '^fuzz/' | look || status=1
# a fuzzer's entry point is declared by the fuzzer's own runtime
sources | grep '^fuzz/' | look -Wno-missing-prototypes || status=1
echo "$compiler: $(sources | wc -l) files"
exit $status
