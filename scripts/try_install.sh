#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs a build into a throw-away prefix and uses it as a stranger would: by find_package(tern),
# static and shared, and by pkg-config.   scripts/try_install.sh BUILD
set -euo pipefail
build=$1
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
prefix=$at/prefix
cmake --install "$build" --prefix "$prefix" >"$at/log" 2>&1 || { cat "$at/log"; exit 1; }

mkdir "$at/user"
cat >"$at/user/main.c" <<'C'
#include <stdio.h>
#include <tern/transport.h>
int main(void)
{
  printf("%s, %s\n", tern_tls_library(), tern_status_name(TERN_OK));
  return 0;
}
C
cat >"$at/user/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(tern REQUIRED)
foreach(kind IN ITEMS static shared tern)
  add_executable(user_${kind} main.c)
  target_link_libraries(user_${kind} PRIVATE tern::${kind})
endforeach()
CMAKE
ran=0
run() {
  local said
  said=$("$@") || { echo "$1 failed"; exit 1; }
  printf '%s: %s\n' "${1##*/}" "$said"
  ran=$((ran + 1))
}

{ cmake -S "$at/user" -B "$at/user/build" -DCMAKE_PREFIX_PATH="$prefix" && cmake --build "$at/user/build"; } \
  >"$at/log" 2>&1 || { cat "$at/log"; exit 1; }
for kind in static shared tern; do run "$at/user/build/user_$kind"; done

pc=$(dirname "$(find "$prefix" -name tern.pc)")
lib=$(dirname "$pc")
flags() { PKG_CONFIG_PATH=$pc pkg-config --define-variable=prefix="$prefix" "$@" tern; }
# shellcheck disable=SC2046 # flags are meant to be split
cc -o "$at/user/pc_shared" "$at/user/main.c" $(flags --cflags --libs)
LD_LIBRARY_PATH=$lib run "$at/user/pc_shared"
# shellcheck disable=SC2046
cc -o "$at/user/pc_static" "$at/user/main.c" $(flags --cflags) "$lib/libtern.a" $(flags --libs --static | sed 's/-ltern\b//g')
run "$at/user/pc_static"
[ ! -x "$prefix/bin/tern" ] || "$prefix/bin/tern" --version >/dev/null 2>&1 || echo "note: tern --version failed"
echo "$ran passed, 0 failed"
