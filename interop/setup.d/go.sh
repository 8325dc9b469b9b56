# SPDX-License-Identifier: MIT
#
# The quic-go peer. The toolchain must already be there: none is downloaded.

go_build() {
  command -v go >/dev/null || give_up "no Go toolchain"
  cd "$here/peers/quic-go" || return
  export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
  go mod download || give_up "its modules could not be fetched, or need a newer Go"
  go build -buildvcs=false -trimpath -p "$jobs" -o "$1/quic-go" .
}

provide quic-go "$(key "$here/setup.d/go.sh" "$here"/peers/quic-go/*)" go_build
