#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Generated files in the tree are what their generators make: each scripts/gen_* answers --check.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
failed=0 count=0
for generator in scripts/gen_*; do
  [ -f "$generator" ] || continue
  count=$((count + 1))
  case $generator in
  *.py) python3 "$generator" --check ;;
  *) bash "$generator" --check ;;
  esac || { echo "$generator: its output in the tree is stale; run it and commit"; failed=1; }
done
echo "generated: $count generator(s)"
exit "$failed"
