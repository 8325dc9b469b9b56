#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What tern does beside what the machine can do: bulk download over loopback, server and client pinned
# to one core each, in rounds that alternate with the raw UDP limit (bench/limit.c).
#
#   bench/run.sh [--quick] [--rounds N] [--bytes N]      default: 5 rounds of 2 GiB
#
# Prints the median of each figure and their ratios. Figures drift from machine to machine and from
# minute to minute; the ratios of one run are what can be compared.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=5
bytes=$((2 * 1024 * 1024 * 1024))
while [ $# -gt 0 ]; do
  case $1 in
  --rounds) rounds=$2 && shift 2 ;;
  --bytes) bytes=$2 && shift 2 ;;
  --quick) rounds=3 && bytes=$((1024 * 1024 * 1024)) && shift ;;
  *) echo "usage: bench/run.sh [--quick] [--rounds N] [--bytes N]" >&2 && exit 2 ;;
  esac
done
tern=${TERN:-build/release/tern}
limit=${LIMIT:-build/release/bench/limit}
at=build/bench
mkdir -p "$at/site"
memory=${MEMORY:-build/release/bench/memory_server}
for program in "$tern" "$limit" "$memory"; do
  [ -x "$program" ] || { echo "bench: $program is not built: run make first" >&2; exit 1; }
done
. bench/certs.sh
[ "$(stat -c %s "$at/site/bulk.bin" 2>/dev/null)" = "$bytes" ] || truncate -s "$bytes" "$at/site/bulk.bin"
server_core=0
client_core=$(($(nproc) > 1 ? 1 : 0))
exec python3 bench/run.py --tern "$tern" --limit "$limit" --memory "$memory" --at "$at" --rounds "$rounds" \
  --bytes "$bytes" --cores "$server_core" "$client_core"
