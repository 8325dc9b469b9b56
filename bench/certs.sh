# SPDX-License-Identifier: MIT
# Sourced by the scripts beside it: makes "$at/cert.pem" and "$at/key.pem" for localhost, unless they are
# there and good for another day.
mkdir -p "$at"
if [ ! -f "$at/key.pem" ] || ! openssl x509 -in "$at/cert.pem" -noout -checkend 86400 >/dev/null 2>&1; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$at/key.pem" -out "$at/cert.pem" 2>/dev/null
fi
