#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What connections cost: bytes by the accounts, purpose by purpose, in virtual time (bench/memory.c); then
# resident memory and CPU of a server process with COUNT silent connections over loopback, and how 1,000
# downloads share it beside one alone (bench/crowd.c).
#
#   bench/memory.sh [COUNT]      default: 50000; a client process holds as many
set -euo pipefail
cd "$(dirname "$0")/.."
at=build/bench
. bench/certs.sh
build/release/bench/memory "$at/cert.pem" "$at/key.pem"
echo
build/release/bench/crowd idle "${1:-50000}" 10 "$at/cert.pem" "$at/key.pem"
for count in 1 1000; do
  build/release/bench/crowd share "$count" 4 "$at/cert.pem" "$at/key.pem"
done
