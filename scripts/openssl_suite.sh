#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The whole test suite on the second TLS backend: OpenSSL 3.5, of Debian 13.
#
# Where the machine's own Debian is older, the suite runs inside a Debian 13 folder, made once by
# debootstrap and kept in $TERN_CACHE (~/.cache/tern) as the interop peers are. The tree is seen there
# at its own path, so build/openssl has the objects of the last run. Ends with ctest's summary, or with
# "skipped: REASON" where such a folder cannot be had.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${TERN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tern}
# what the steps of interop/setup.d expect
here=$root/interop
out=$root/build/openssl-folder
folder=$cache/openssl-trixie

give_up() {
  echo "skipped: $1"
  exit 0
}
provide() { :; } # only the functions are wanted
key() { :; }
# shellcheck source=interop/setup.d/trixie.sh
. "$here/setup.d/trixie.sh"
# shellcheck disable=SC2034  # trixie_build reads it; scripts/setup.sh installs the rest
trixie_packages='apt-get update -q; apt-get install -y -q --no-install-recommends ca-certificates; apt-get clean'

mkdir -p "$out/log" "$cache"
exec 9>"$cache/openssl-trixie.lock"
flock 9
if [ ! -d "$folder" ]; then
  command -v debootstrap >/dev/null || "$root/scripts/setup.sh" openssl 9>&- || give_up "debootstrap is not installed"
  echo "openssl: a Debian 13 folder ..."
  rm -rf "$folder.part"
  (trixie_build "$folder.part") >"$out/log/folder.log" 2>&1 9>&- || true
  [ -f "$folder.part/etc/hosts" ] || give_up "$(tail -n 1 "$out/log/folder.log" | sed 's/^skipped: //')"
  mv "$folder.part" "$folder"
fi

# The vectors of TERN_SPEC, where they are, are seen at their own path as well.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --propagation private sh -euc '
    if [ -d "${TERN_SPEC:-}" ]; then
      mkdir -p "$1$TERN_SPEC"
      mount --bind "$TERN_SPEC" "$1$TERN_SPEC"
    fi
    exec "$0" "$@"
  ' "$here/enter.sh" "$folder" "$root" env -u CMAKE_C_COMPILER_LAUNCHER TERN_TLS=openssl sh -euc "cd '$root'; $1"
}
inside 'scripts/setup.sh build test; apt-get clean' 9>&-
exec 9>&-

log=$root/build/openssl-suite.log
jobs=${JOBS:-$(nproc)}
inside "cmake --preset openssl && cmake --build build/openssl -j $jobs -- -k 0" >"$log" 2>&1 || {
  grep -E "error:|FAILED" "$log" | head -n 20
  tail -n 15 "$log"
  exit 1
}
inside "scripts/run_ctest.sh build/openssl $jobs"
