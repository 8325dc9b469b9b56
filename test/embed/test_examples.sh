#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The examples that judge themselves. 77 from one: this build cannot do it.
set -euo pipefail
examples="$(dirname "$TERN")/examples"
[ -x "$examples/sign_elsewhere" ] || exit 77
command -v openssl > /dev/null || exit 77
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# make_pair NAME KEY-OPTIONS...: a certificate for localhost
make_pair() {
  openssl req -x509 -newkey "${@:2}" -nodes -keyout "$work/$1.key" -out "$work/$1.pem" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost 2> /dev/null
}

make_pair ec ec -pkeyopt ec_paramgen_curve:P-256
make_pair rsa rsa:2048
"$examples/sign_elsewhere" "$work/ec.pem" "$work/ec.key"
"$examples/sign_elsewhere" "$work/rsa.pem" "$work/rsa.key" 5
# a key that is not that of the certificate: the clients notice
if "$examples/sign_elsewhere" "$work/ec.pem" "$work/rsa.key" 1 2> /dev/null; then
  echo "a foreign key was good enough" >&2
  exit 1
fi

for name in www.tern.example mail.tern.example down.tern.example; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name.key" \
    -out "$work/$name.pem" -days 2 -subj "/CN=$name" -addext "subjectAltName=DNS:$name" 2> /dev/null
done
"$examples/choose_certificate" "$work" www.tern.example mail.tern.example down.tern.example
