#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds AWS-LC, tern's first TLS library, as two static archives in build/deps/awslc.
#
#   scripts/awslc.sh            build it unless the stamp says that it is there already
#
# The source is the first of these that can be had:
#   1. a folder the user names:          TERN_AWSLC_SOURCE=DIR
#   2. the Debian package librust-aws-lc-sys-dev, from a suite after Debian 13, read from the mirror
#      that this machine is set up with, by an apt configuration of our own (nothing is installed,
#      the archive's signature is checked by the machine's Debian keyring)
#   3. the crate aws-lc-sys, by cargo, with its version and checksum pinned below
#   4. a release archive or folder:      TERN_AWSLC_RELEASE=FILE|DIR|URL (+ TERN_AWSLC_SHA256=HEX)
# TERN_AWSLC_FROM="debian crate" narrows or reorders 2 to 4; TERN_AWSLC_SUITES names the suites.
#
# What was taken is printed in one line and kept in build/deps/awslc/ORIGIN.
set -euo pipefail

crate_version=0.42.0
crate_sha256=6d9ceb1da931507a12f4fccea479dccd00da1943e1b4ae72d8e502d707361444
debian_package=librust-aws-lc-sys-dev
suites=${TERN_AWSLC_SUITES:-"sid forky"}
from=${TERN_AWSLC_FROM:-"debian crate release"}

root=$(cd "$(dirname "$0")/.." && pwd)
deps=${TERN_DEPS_DIR:-$root/build/deps}
prefix=$deps/awslc
log=$deps/awslc.log

stamp_now() {
  { cat "$0"; printf '%s\n' "${TERN_AWSLC_SOURCE:-}" "${TERN_AWSLC_RELEASE:-}" "$suites" "$from"; } |
    sha256sum | cut -d' ' -f1
}
is_built() {
  [ "$(cat "$prefix/stamp" 2>/dev/null)" = "$1" ] && [ -f "$prefix/lib/libcrypto.a" ] &&
    [ -f "$prefix/lib/libssl.a" ] && [ -f "$prefix/include/openssl/ssl.h" ]
}
say() { printf 'awslc: %s\n' "$*"; }

stamp=$(stamp_now)
is_built "$stamp" && exit 0
mkdir -p "$deps"
exec 9>"$deps/.awslc.lock"
flock 9
is_built "$stamp" && exit 0 # another make built it while this one waited

work=$(mktemp -d "$deps/awslc-work.XXXXXX")
trap 'rm -rf "$work"' EXIT
: >"$log"
source_dir=
origin=

# The folder inside TREE that holds AWS-LC's own CMakeLists.txt.
find_source() {
  local file
  while IFS= read -r file; do
    if [ -f "${file%/CMakeLists.txt}/include/openssl/ssl.h" ] &&
      [ -d "${file%/CMakeLists.txt}/ssl" ]; then
      printf '%s\n' "${file%/CMakeLists.txt}"
      return 0
    fi
  done < <(find -L "$1" -maxdepth 8 -name CMakeLists.txt 2>/dev/null | awk '{print length, $0}' | sort -n | cut -d' ' -f2-)
  return 1
}

# --- 1. a folder --------------------------------------------------------------------------------

take_folder() {
  source_dir=$(find_source "$1") || { say "no AWS-LC source in $1"; return 1; }
  origin="a folder that the user named"
}

# --- 2. Debian's archive ------------------------------------------------------------------------

# apt with state, cache and sources of its own; the machine's settings (proxies) still hold.
private_apt() {
  local tool=$1
  shift
  "$tool" -q \
    -o Dir::State="$work/apt/state" -o Dir::State::status="$work/apt/status" \
    -o Dir::Cache="$work/apt/cache" -o Dir::Etc::sourcelist="$work/apt/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root "$@" >>"$log" 2>&1
}

# The Debian mirrors of this machine's own sources, those known to be Debian's archive first.
debian_mirrors() {
  apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" {print 1, $2} $1 == "$(LABEL)" {print 2, $2}' | sort -u | cut -d' ' -f2
}

update_private() { # mirror suite keyring
  rm -rf "$work/apt"
  mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial"
  : >"$work/apt/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$3" "$1" "$2" >"$work/apt/sources.list"
  private_apt apt-get update
}

# A keyring newer than the machine's, itself from an archive that the machine's keyring vouches for.
newer_keyring() { # mirror keyring
  local into=$work/keyring
  mkdir -p "$into"
  (cd "$into" && apt-get -q download debian-archive-keyring >>"$log" 2>&1) ||
    { update_private "$1" stable "$2" &&
      (cd "$into" && private_apt apt-get download debian-archive-keyring); } || return 1
  dpkg-deb -x "$into"/debian-archive-keyring_*.deb "$into/tree" || return 1
  printf '%s\n' "$into/tree/usr/share/keyrings/debian-archive-keyring.gpg"
}

take_debian() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror suite newer
  [ -f "$keyring" ] || return 1
  for mirror in $(debian_mirrors); do
    for suite in $suites; do
      if ! update_private "$mirror" "$suite" "$keyring"; then
        newer=$(newer_keyring "$mirror" "$keyring") || continue
        update_private "$mirror" "$suite" "$newer" || continue
      fi
      (cd "$work" && private_apt apt-get download "$debian_package") || continue
      dpkg-deb -x "$work/$debian_package"_*.deb "$work/deb" || return 1
      source_dir=$(find_source "$work/deb") || return 1
      origin="Debian $suite, package $debian_package \
$(dpkg-deb -f "$work/$debian_package"_*.deb Version), signature checked"
      return 0
    done
  done
  return 1
}

# --- 3. the crate -------------------------------------------------------------------------------

take_crate() {
  command -v cargo >/dev/null || return 1
  local at=$work/crate
  mkdir -p "$at/src"
  : >"$at/src/lib.rs"
  printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\naws-lc-sys = "=%s"\n' \
    "$crate_version" >"$at/Cargo.toml"
  (cd "$at" && cargo vendor vendor >>"$log" 2>&1) || return 1
  if ! grep -q "\"package\":\"$crate_sha256\"" "$at/vendor/aws-lc-sys/.cargo-checksum.json"; then
    say "the crate's checksum is not the pinned one; not used"
    return 1
  fi
  source_dir=$(find_source "$at/vendor/aws-lc-sys") || return 1
  origin="crate aws-lc-sys $crate_version, checksum pinned"
}

# --- 4. a release -------------------------------------------------------------------------------

fetch() { # url file
  if command -v curl >/dev/null; then curl -fsSL --retry 2 -o "$2" "$1"
  elif command -v wget >/dev/null; then wget -q -O "$2" "$1"
  else python3 -c 'import sys, urllib.request as u; u.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$2"
  fi >>"$log" 2>&1
}

take_release() {
  local what=${TERN_AWSLC_RELEASE:-} file=$work/release.archive
  [ -n "$what" ] || return 1
  origin="release ${what##*/}"
  if [ -d "$what" ]; then
    source_dir=$(find_source "$what")
    return
  fi
  case $what in
  *://*)
    [ -n "${TERN_AWSLC_SHA256:-}" ] || { say "a URL needs TERN_AWSLC_SHA256 beside it"; return 1; }
    fetch "$what" "$file" || return 1
    ;;
  *) cp "$what" "$file" || return 1 ;;
  esac
  if [ -n "${TERN_AWSLC_SHA256:-}" ]; then
    printf '%s  %s\n' "$TERN_AWSLC_SHA256" "$file" | sha256sum -c --status ||
      { say "the release's checksum is wrong; not used"; return 1; }
  fi
  mkdir -p "$work/release" && tar -xf "$file" -C "$work/release" || return 1
  source_dir=$(find_source "$work/release")
}

# --- build --------------------------------------------------------------------------------------

take_source() {
  if [ -n "${TERN_AWSLC_SOURCE:-}" ]; then
    take_folder "$TERN_AWSLC_SOURCE"
    return
  fi
  local way
  for way in $from; do
    "take_$way" && return 0
  done
  return 1
}

build() {
  # The source from the crate carries headers that can prefix every symbol; they act only when
  # BORINGSSL_PREFIX is set, and here it is not: plain names, hidden later when libtern is linked.
  # Without the CPU-jitter source, the kernel's generator and the CPU's own seed the library: the
  # jitter measurement costs every process some 50 ms before its first handshake.
  cmake -S "$source_dir" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_TESTING=OFF -DBUILD_TOOL=OFF -DDISABLE_GO=ON -DDISABLE_PERL=ON \
    -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DDISABLE_CPU_JITTER_ENTROPY=ON \
    -DCMAKE_INSTALL_PREFIX="$work/prefix" -DCMAKE_INSTALL_LIBDIR=lib &&
    ninja -C "$work/build" install
}

if ! take_source; then
  say "no source of AWS-LC could be had (tried: folder, $from); see $log"
  say "set TERN_AWSLC_SOURCE to a folder that holds one, or build with TERN_TLS=openssl"
  exit 1
fi
version=$(sed -n 's/^#define AWSLC_VERSION_NUMBER_STRING "\(.*\)"/\1/p' "$source_dir/include/openssl/base.h")
say "AWS-LC ${version:-of unknown version} from $origin"
if ! build >>"$log" 2>&1; then
  tail -n 20 "$log"
  say "AWS-LC did not build; see $log"
  exit 1
fi
printf 'AWS-LC %s from %s\n' "$version" "$origin" >"$work/prefix/ORIGIN"
cp "$source_dir/LICENSE" "$work/prefix/LICENSE" 2>/dev/null || true
printf '%s\n' "$stamp" >"$work/prefix/stamp"
rm -rf "$prefix"
mv "$work/prefix" "$prefix"
