#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every C file of the tree, one a line: what format, lint and size checks look at.
set -euo pipefail
cd "$(dirname "$0")/.."
for folder in include src tools test fuzz bench examples interop proofs; do
  [ ! -d "$folder" ] || find "$folder" -name corpus -prune -o \( -name '*.c' -o -name '*.h' \) -type f -print
done 2>/dev/null | sort
