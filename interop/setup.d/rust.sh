# SPDX-License-Identifier: MIT
#
# The peers in Rust: quinn with h3, and quiche, whose BoringSSL wants CMake and
# libclang besides.

rust_build() {
  local name=$1 folder=$2
  command -v cargo >/dev/null || give_up "no Rust toolchain"
  cd "$here/peers/$name" || return
  export CARGO_TARGET_DIR=$out/cargo
  cargo fetch --locked || give_up "its crates could not be fetched"
  cargo build --locked --release -j "$jobs"
  cp "$CARGO_TARGET_DIR/release/$name-peer" "$folder/"
}

quiche_build() {
  command -v cmake >/dev/null || give_up "no CMake for its BoringSSL"
  ldconfig -p | grep -q 'libclang[-.]' || ls /usr/lib/llvm-*/lib/libclang* >/dev/null 2>&1 ||
    give_up "no libclang for its bindings"
  rust_build quiche "$1"
}

rust_key() {
  local folder=$here/peers/$1
  key "$here/setup.d/rust.sh" "$folder/Cargo.toml" "$folder/Cargo.lock" "$folder"/src/*
}

provide quinn "$(rust_key quinn)" rust_build quinn
provide quiche "$(rust_key quiche)" quiche_build
