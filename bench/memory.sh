#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What connections cost in bytes: by the accounts, purpose by purpose, in virtual time (bench/memory.c).
#
#   bench/memory.sh
set -euo pipefail
cd "$(dirname "$0")/.."
at=build/bench
. bench/certs.sh
build/release/bench/memory "$at/cert.pem" "$at/key.pem"
