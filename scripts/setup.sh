#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what a make target needs, from the distribution's packages, and builds AWS-LC.
#
#   scripts/setup.sh [build] [test] [check] [fuzz] [demo] [bench] [profile] [openssl]      default: build
#
# Says nothing when there is nothing to do, and asks nothing. On Debian and its kin missing packages
# are installed (as root, or by a sudo that asks no password); elsewhere their names are printed.
# TERN_TLS=openssl or TERN_AWSLC_ROOT=DIR: AWS-LC is not built here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

# package <- what shows that it is there, installed by whatever means
has() {
  case $1 in
  build-essential) has_all cc c++ make ar objcopy && [ -f /usr/include/stdio.h ] ;;
  cmake) has_all cmake ;;
  ninja-build) has_all ninja ;;
  pkg-config) has_all pkg-config ;;
  python3) has_all python3 ;;
  openssl) has_all openssl ;;
  util-linux) has_all flock ;;
  clang) has_all clang && has_clang_file include/stddef.h ;;
  libclang-rt) has_clang_file 'lib/linux/libclang_rt.fuzzer-*.a' ;;
  clang-format) has_all clang-format ;;
  clang-tidy) has_all clang-tidy ;;
  libcmocka-dev) has_header cmocka.h ;;
  libssl-dev) has_header openssl/ssl.h ;;
  liburing-dev) has_header liburing.h ;;
  libbrotli-dev) has_header brotli/decode.h ;;
  zlib1g-dev) has_header zlib.h ;;
  libzstd-dev) has_header zstd.h ;;
  libyaml-dev) has_header yaml.h ;;
  git) has_all git ;;
  linux-perf) has_all perf ;;
  valgrind) has_all valgrind ;;
  heaptrack) has_all heaptrack ;;
  debootstrap) has_all debootstrap ;;
  *) return 1 ;;
  esac
}
has_all() {
  local tool
  for tool; do command -v "$tool" >/dev/null 2>&1 || return 1; done
}
has_clang_file() { # pattern in clang's own folder
  compgen -G "$(dirname "$(readlink -f "$(command -v clang)")")/../lib/clang/*/$1" >/dev/null
}
has_header() {
  local file
  for file in /usr/include/$1 /usr/local/include/$1 /usr/include/*-linux-gnu*/$1; do
    [ -f "$file" ] && return 0
  done
  return 1
}

wanted= optional=
awslc=no runtime=no
[ $# -gt 0 ] || set -- build
for kind; do
  case $kind in
  build) wanted+=" build-essential cmake ninja-build pkg-config python3 util-linux"; optional+=" liburing-dev libyaml-dev"; awslc=yes ;;
  test)
    wanted+=" libcmocka-dev libssl-dev openssl"
    # what Debian's libcrypto.a is linked with
    [ "${TERN_TLS:-awslc}" != openssl ] || wanted+=" zlib1g-dev libzstd-dev"
    ;;
  check) wanted+=" clang clang-format clang-tidy libcmocka-dev" ;;
  fuzz) wanted+=" clang"; runtime=yes ;;
  demo | bench) wanted+=" openssl" ;;
  profile) wanted+=" openssl linux-perf valgrind heaptrack" ;;
  openssl) wanted+=" debootstrap" ;;
  *) echo "setup: '$kind' is none of build, test, check, fuzz, demo, bench, profile, openssl" >&2; exit 2 ;;
  esac
done

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n --preserve-env=DEBIAN_FRONTEND "$@"
  else return 1
  fi
}

install() { # package...
  local log=$root/build/setup.log wait="-o DPkg::Lock::Timeout=300"
  if ! command -v apt-get >/dev/null || ! as_root true; then
    echo "setup: these are missing, please install them (names of Debian's packages): $*" >&2
    exit 1
  fi
  echo "setup: installing $*"
  mkdir -p "$root/build"
  exec 8>"$root/build/.setup.lock"
  ! command -v flock >/dev/null || flock 8
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # the options are meant to be split
  if ! { as_root apt-get -q $wait update && as_root apt-get -q $wait install -y --no-install-recommends "$@"; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    echo "setup: apt-get could not install: $* (see $log)" >&2
    exit 1
  fi
  exec 8>&- # the next call waits for this lock too
}

missing=()
for package in $wanted; do
  has "$package" || case " ${missing[*]-} " in *" $package "*) ;; *) missing+=("$package") ;; esac
done
[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
# What only adds a feature: where it cannot be installed, the configuration says what is left out.
for package in $optional; do
  has "$package" || ! command -v apt-get >/dev/null || ! as_root true || (install "$package") || true
done
# the sanitizers and libFuzzer of clang: a package named by clang's version
if [ "$runtime" = yes ] && ! has libclang-rt; then
  install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
fi

if [ "$awslc" = yes ] && [ "${TERN_TLS:-awslc}" = awslc ] && [ -z "${TERN_AWSLC_ROOT:-}" ]; then
  exec "$here/awslc.sh"
fi
