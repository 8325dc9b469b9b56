#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The quick tests under valgrind: reads of memory that was never written, which the sanitizers of
# `make asan` do not see. Slow, so not a part of CI.
#
#   scripts/valgrind.sh [BUILD]        default build/dev; ends with "N passed, N failed"
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/dev}
passed=0
failed=0
for test in "$build"/test/test_{base,event,wire,crypto,tls,recovery,h3,transport}_*; do
  case $test in
  *_sim_* | *_interop | *socket | *_frame_read | *cid | *stream_recv | *stream_send) continue ;; # minutes each, and nothing of their own
  esac
  if timeout 300 valgrind -q --error-exitcode=99 --leak-check=full "$test" >build/valgrind.log 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED $test"
    grep -m 12 "^==" build/valgrind.log
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
