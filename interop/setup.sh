#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs the foreign QUIC stacks that the interop runs meet. Idempotent and
# quiet when there is nothing to do. What takes long (a Debian 13 folder, the
# Rust and Go programs) is made once per content of its inputs:
#
#   $TERN_CACHE/interop/NAME-KEY/     KEY = hash of the step's script and sources
#   build/interop/NAME -> that folder
#
# A peer that this machine cannot have (no toolchain, no network, no root) leaves
# one line with the reason in build/interop/skipped/NAME; the runner lists it. A
# program of our own that does not compile is an error, not a skip.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(dirname "$here")/build/interop
cache=${TERN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tern}/interop
# shellcheck disable=SC2034  # the steps use it
jobs=${TERN_JOBS:-$(nproc)}
mkdir -p "$out/log" "$out/skipped" "$cache"
exec 9>"$cache/lock"
flock 9

say() { echo "interop setup: $*"; }

# skip NAME REASON
skip() {
  echo "$2" >"$out/skipped/$1"
  say "skipped: $1: $2"
}

# key FILE_OR_WORD...: one short hash over the contents (or the words themselves).
key() {
  local item
  for item in "$@"; do
    if [ -f "$item" ]; then cat "$item"; else echo "$item"; fi
  done | sha256sum | cut -c1-16
}

# provide NAME KEY COMMAND...: has COMMAND fill an empty folder, unless the cache
# holds it. The folder appears under its name only when complete. COMMAND returns
# 75 after a skip of its own; any other failure ends the setup.
provide() {
  local name=$1 folder=$cache/$1-$2 log=$out/log/setup-$1.log start=$SECONDS status
  shift 2
  if [ ! -d "$folder" ]; then
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    say "$name ..."
    set +e # not `||`: that would switch errexit off inside the step as well
    (set -e && "$@" "$folder.part") >"$log" 2>&1 9>&-
    status=$?
    set -e
    if [ $status -eq 75 ]; then
      skip "$name" "$(tail -n 1 "$log")"
      return 0
    elif [ $status -ne 0 ]; then
      tail -n 30 "$log" >&2
      say "$name failed, see $log" >&2
      exit 1
    fi
    mv "$folder.part" "$folder"
    # What no tree has asked for in a month goes.
    find "$cache" -maxdepth 1 -name "$name-*" -mtime +30 -exec rm -rf {} +
    say "$name took $((SECONDS - start)) s"
  fi
  touch "$folder"
  rm -f "$out/skipped/$name"
  ln -sfn "$folder" "$out/$name"
}

# give_up REASON: the last line of the step's log becomes the reason of the skip.
give_up() {
  echo "$1"
  exit 75
}

for step in debian trixie go rust; do
  # shellcheck source=/dev/null
  . "$here/setup.d/$step.sh"
done
