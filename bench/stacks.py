# SPDX-License-Identifier: MIT
"""The servers that are measured: how each is started, and what it can answer from memory.

All take GET /N for a body of N bytes; what is put to /1 is dropped (nginx and
`tern serve` store it). The foreign programs are those of interop/ (`interop/setup.sh`
builds and installs them); each is given what it has for speed: bursts, large windows, no logs.
"""

import os
import socket
import subprocess
import sys

import machine

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "interop"))
import peers  # noqa: E402  pylint: disable=wrong-import-position

GIB = machine.GIB


class Place:
    """What the peers of interop/ want to know of paths."""

    def __init__(self, folder):
        self.run = folder
        self.www = os.path.join(folder, "site")
        self.uploads = os.path.join(folder, "uploads")
        self.interop = os.path.join(ROOT, "interop")
        self.out = os.path.join(ROOT, "build", "interop")
        self.root = ROOT
        for path in (self.www, self.uploads):
            os.makedirs(path, exist_ok=True)
        self.cert, self.key = machine.certificate(folder)

    def path(self, name):
        """A file of the run; certificates have one name here."""
        known = {"bench.pem": "cert.pem", "bench.key": "key.pem", "bench.both.pem": "both.pem"}
        return os.path.join(self.run, known.get(name, name))

    def file(self, size):
        """A file of that size among the served ones, its bytes in the page cache; its name."""
        path = os.path.join(self.www, str(size))
        if not os.path.exists(path) or os.path.getsize(path) != size:
            with open(path, "wb") as file:
                for start in range(0, size, 1 << 20):
                    file.write(b"t" * min(1 << 20, size - start))
        return str(size)


class Stack:
    """A server; `rows` names the rows that it can stand in, None for all."""

    name, body = "", "memory"
    rows = None
    kind = "udp"

    def __init__(self, place):
        self.place = place

    def missing(self):
        """Why it cannot be measured, or None."""

    def version(self):
        """What is shown beside its name."""
        return ""

    def command(self, port, knobs=()):
        """How to start it on that port; knobs are tern's own."""
        raise NotImplementedError

    def prepare(self, size):
        """Before bodies of that size are asked for."""
        if self.body == "file":
            self.place.file(size)


class Tern(Stack):
    """bench/memory_server: tern's HTTP/3 with bodies from memory."""

    name = "tern"

    def command(self, port, knobs=()):
        place = self.place
        program = os.path.join(ROOT, "build", "release", "bench", "memory_server")
        return [program, f"127.0.0.1:{port}", place.cert, place.key, *knobs]


class TernFile(Tern):
    """`tern serve`: files."""

    name, body = "tern serve", "file"

    def command(self, port, knobs=()):
        place = self.place
        return [os.path.join(ROOT, "build", "release", "tern"), "serve", place.www, "--listen",
                f"127.0.0.1:{port}", "--cert", place.cert, "--key", place.key, "--upload",
                place.uploads, "--upload-max", "1T", *knobs]


class Foreign(Stack):
    """A peer of interop/."""

    peer = None

    def __init__(self, place):
        super().__init__(place)
        self.inner = self.peer(place)  # pylint: disable=not-callable

    def missing(self):
        return self.inner.missing()

    def version(self):
        return self.inner.version()

    def command(self, port, knobs=()):
        return self.inner.server(port, "bench", self.place.uploads)


class QuicGo(Foreign):
    """quic-go."""

    name, peer = "quic-go", peers.QuicGo


class Quinn(Foreign):
    """quinn."""

    name, peer = "quinn", peers.Quinn


class Quiche(Foreign):
    """quiche."""

    name, peer = "quiche", peers.Quiche


NGINX = """
daemon off;
worker_processes 1;
user root;
pid {run}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  open_file_cache max=16;
  client_body_temp_path {run}/nginx.body;
  client_max_body_size 0;
  keepalive_requests 100000000;
  ssl_certificate {cert};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.3;
  server {{
    listen 127.0.0.1:{port} {listen};
    {more}
    location / {{ root {www}; dav_methods PUT; }}
  }}
}}
"""


class Nginx(Foreign):
    """nginx."""

    name, peer, body = "nginx", peers.Nginx, "file"
    listen = "quic reuseport"
    more = "http3 on; quic_gso on; http3_stream_buffer_size 1m;"

    def command(self, port, knobs=()):
        place = self.place
        path = place.path(f"{self.name}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(NGINX.format(run=place.run, www=place.www, port=port, cert=place.cert,
                                    key=place.key, listen=self.listen, more=self.more))
        return self.inner.enter("nginx", "-e", "stderr", "-c", path)


HAPROXY = """
global
  limited-quic
  nbthread 1
  maxconn 4000
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind quic4@127.0.0.1:{port} ssl crt {both} alpn h3
  http-request return status 200 content-type text/plain file {body}
"""


class Haproxy(Foreign):
    """haproxy: it has no long bodies of its own."""

    name, peer = "haproxy", peers.Haproxy
    rows = ("requests", "requests-many", "latency")

    def command(self, port, knobs=()):
        place, path = self.place, self.place.path("haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(HAPROXY.format(port=port, both=place.path("both.pem"),
                                      body=os.path.join(place.www, place.file(1024))))
        return self.inner.enter("haproxy", "-f", path)


class Ngtcp2(Foreign):
    """ngtcp2's example server on GnuTLS, as Debian 13 has it."""

    name, peer = "ngtcp2", peers.CurlNgtcp2
    rows = ("download", "streams", "requests", "requests-many", "latency")

    def missing(self):
        folder = os.path.realpath(os.path.join(self.place.out, "trixie"))
        if os.path.exists(os.path.join(folder, "usr", "sbin", "gtlsserver")):
            return None
        return "no gtlsserver in the Debian 13 folder"

    def version(self):
        out = subprocess.run(self.inner.enter("dpkg-query", "-W", "-f", "${Version}", "ngtcp2-server"),
                             capture_output=True, text=True, check=False).stdout
        return out.split("-")[0] + ", GnuTLS"

    def command(self, port, knobs=()):
        place = self.place
        return self.inner.enter("gtlsserver", "--quiet", "--no-quic-dump", "--no-http-dump",
                                "--max-dyn-length=64G", "--max-udp-payload-size=1452",
                                "--max-streams-bidi=1000", "-d", place.www,
                                "127.0.0.1", str(port), place.key, place.cert)


class NginxTcp(Nginx):
    """What users compare with: HTTP/1.1 over TLS 1.3 and TCP, from the same nginx."""

    name, kind = "nginx, TCP", "tcp"
    rows = ("download",)
    listen = "ssl reuseport"
    more = "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_buffer_size 16k;"


def everyone(place):
    """Every server that may be measured."""
    kinds = (Tern, TernFile, Quinn, Quiche, QuicGo, Nginx, Haproxy, Ngtcp2, NginxTcp)
    return [kind(place) for kind in kinds]


def free_port(stack):
    """A port of the right kind."""
    return machine.free_port(socket.SOCK_STREAM if stack.kind == "tcp" else socket.SOCK_DGRAM)
