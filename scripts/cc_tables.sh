#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The tables of test/sim/test_cc_paths.c in full: each controller on 1 to 1,000 Mbit/s and 10 to 200 ms,
# with losses, and beside each other. Some minutes. With arguments, one point:
#   scripts/cc_tables.sh bbr 10 50 100 0     controller, Mbit/s, RTT in ms, queue in % BDP, loss in ppm
set -euo pipefail
cd "$(dirname "$0")/.."
TERN_CC_TABLE="${*:-full}" exec build/dev/test/test_sim_cc_paths
