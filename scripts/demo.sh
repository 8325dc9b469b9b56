#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Serves a folder over HTTP/3 on the loopback address and fetches two files from it: a small page
# and 100 MiB of random bytes. Compares what arrived with what was sent.
set -euo pipefail
cd "$(dirname "$0")/.."
tern=${TERN:-build/tern}
at=build/demo
site=$at/site
size=$((100 * 1024 * 1024))
mkdir -p "$site" "$at/got"

if [ ! -f "$at/key.pem" ] || ! openssl x509 -in "$at/cert.pem" -noout -checkend 86400 >/dev/null 2>&1; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$at/key.pem" -out "$at/cert.pem" 2>/dev/null
fi
printf '<!doctype html>\n<title>tern</title>\n<p>It flies.</p>\n' >"$site/index.html"
if [ "$(stat -c %s "$site/random.bin" 2>/dev/null)" != "$size" ]; then
  head -c "$size" /dev/urandom >"$site/random.bin"
  sha256sum "$site/random.bin" | cut -d' ' -f1 >"$at/random.sha256"
fi

port=$(python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
"$tern" serve "$site" --listen "127.0.0.1:$port" --cert "$at/cert.pem" --key "$at/key.pem" \
  >"$at/serve.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  grep -qi listening "$at/serve.log" && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.05
done
if ! grep -qi listening "$at/serve.log"; then
  cat "$at/serve.log"
  echo "demo: the server did not come up" >&2
  exit 1
fi
echo "tern serve: $site at https://localhost:$port/"

fetch() { # path file
  rm -f "$at/got/$2"
  if ! timeout 60 "$tern" get "https://localhost:$port/$1" --cacert "$at/cert.pem" \
    -o "$at/got/$2" --summary >"$at/get.log" 2>&1; then
    cat "$at/get.log"
    echo "demo: GET /$1 failed" >&2
    exit 1
  fi
  echo
  echo "tern get /$1"
  sed 's/^/  /' "$at/get.log"
}
same() { # got want
  if [ "$1" != "$2" ]; then
    echo "demo: the file that arrived is not the file that was sent" >&2
    exit 1
  fi
  echo "  sha256 ${1:0:16}... the same on both sides"
}

fetch index.html index.html
same "$(sha256sum <"$at/got/index.html" | cut -d' ' -f1)" "$(sha256sum <"$site/index.html" | cut -d' ' -f1)"
fetch random.bin random.bin
same "$(sha256sum <"$at/got/random.bin" | cut -d' ' -f1)" "$(cat "$at/random.sha256")"
rm -f "$at/got/random.bin"
echo
echo "Yours: build/tern serve DIR --listen ADDRESS:PORT --cert FILE --key FILE"
