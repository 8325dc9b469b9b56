# SPDX-License-Identifier: MIT
"""The table of peers: how each stack is started as a server and asked as a client.

Programs of ours on a foreign library, and tern itself, share one command line,
so that any of them can stand in any role (`--as-tern` puts one in tern's place).
"""

import os
import re
import shutil
import subprocess

MIB = 1 << 20


class Peer:
    """What the cases need to know of a stack; the roles are filled in below."""

    name = stack = ""
    is_server = is_client = False
    is_loader = False  # has load(), which counts what it was answered
    conns_max = 4  # from one address and port, for those who tell connections by it
    is_perf = False  # speaks the perf protocol: has perf_server() and perf()
    can_retry = False  # has retry_server()
    cert_codes = (4,)
    # Bodies of this size and of this with --full; a stack in Python is slow.
    size, full_size = 32 * MIB, 1024 * MIB
    # False where an upload is answered without the body's SHA-256.
    answers_hash = True
    origin_port = None

    def __init__(self, place):
        self.place = place

    def missing(self):
        """Why the peer cannot take part, or None."""
        return self.skipped(self.name)

    def skipped(self, step):
        """The reason that the setup left for one of its steps."""
        path = os.path.join(self.place.out, "skipped", step)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        if os.path.exists(os.path.join(self.place.out, step)):
            return None
        return "not set up"

    def version(self):
        """The stack's version for the matrix."""
        return ""

    def first_line(self, command, pattern=r"[0-9]+\.[0-9.]+[0-9]"):
        """The first version number that a command prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        found = re.search(pattern, done.stdout + done.stderr)
        return found.group(0) if found else "?"

    def server(self, port, cert, uploads):
        """The command of a server on that port with the certificate of that name."""
        raise NotImplementedError

    def client(self, url, cacert, **want):
        """The command of a client; want holds output, upload, repeat, seconds."""
        raise NotImplementedError

    # What a server's log shows of each request: the client's port.
    port_pattern = r"^port (\d+)"

    def seen(self, log):
        """The connections and requests that a server's log shows, None if it shows none."""
        ports = re.findall(self.port_pattern, log, re.M)
        return {"connections": len(set(ports)), "requests": len(ports)}

    def check_client(self, want):
        """What a client's own record says is wrong with a run, or None."""


class Program(Peer):
    """A program with the common command line."""

    is_server = is_client = True
    program = ()

    def server(self, port, cert, uploads):
        place = self.place
        files = ("--cert", place.path(f"{cert}.pem"), "--key", place.path(f"{cert}.key"))
        listen = ("--listen", f"127.0.0.1:{port}")
        return [*self.program, "serve", place.www, *listen, *files, "--upload", uploads]

    def client(self, url, cacert, **want):
        command = [*self.program, "get", url, "--cacert", cacert]
        for option, name in (("-o", "output"), ("-T", "upload"), ("--repeat", "repeat")):
            if want.get(name):
                command += [option, str(want[name])]
        return command + ["--max-time", str(want["seconds"])]

    def seen(self, log):
        return {"connections": len(re.findall(r"^connection(?: |$)", log, re.M))}


class Tern(Program):
    """The program under test."""

    name, stack = "tern", "tern"
    is_loader = is_perf = True
    can_retry = True

    def __init__(self, place, program):
        super().__init__(place)
        self.program = (program,)

    def retry_server(self, port, cert, uploads):
        """A server that has every client's address proven."""
        return [*self.server(port, cert, uploads), "--retry"]

    def missing(self):
        return None if os.access(self.program[0], os.X_OK) else f"no {self.program[0]}"

    def client(self, url, cacert, **want):
        command = super().client(url, cacert, **want)
        return command + ["-X", "PUT"] if want.get("upload") else command

    def seen(self, log):
        return None

    def load(self, url, cacert, requests, conns):
        """The command of `tern perf h3`."""
        many = ("--requests", str(requests), "--connections", str(conns), "--streams", "10")
        return [*self.program, "perf", "h3", url, "--cacert", cacert, *many, "--json"]

    def perf_server(self, port, cert, _uploads):
        """The command of `tern perf server`."""
        place = self.place
        files = ("--cert", place.path(f"{cert}.pem"), "--key", place.path(f"{cert}.key"))
        return [*self.program, "perf", "server", f"127.0.0.1:{port}", *files, "--each", "--json"]

    def perf(self, address, cacert, size, requests):
        """The commands of `tern perf client`."""
        client = (*self.program, "perf", "client", address, "--cacert", cacert)
        yield [*client, "--down", str(size // 4), "--up", str(size // 4), "--streams", "4"]
        yield [*client, "--requests", str(requests), "--streams", "20", "--request-bytes", "300"]
        yield [*client, "--handshakes", "20"]


class Built(Program):
    """A program that the setup compiles; its version is what its manifest pins."""

    def __init__(self, place, manifest, pattern):
        super().__init__(place)
        self.manifest, self.pattern = manifest, pattern

    def version(self):
        path = os.path.join(self.place.interop, "peers", self.name, self.manifest)
        with open(path, encoding="utf-8") as file:
            return re.search(self.pattern, file.read()).group(1)


class QuicGo(Built):
    """quic-go's http3."""

    name, stack, is_perf = "quic-go", "quic-go", True

    def __init__(self, place):
        super().__init__(place, "go.mod", r"quic-go v([0-9.]+)")
        self.program = (os.path.join(place.out, "quic-go", "quic-go"),)

    def perf_server(self, port, cert, _uploads):
        """The command of its perf server."""
        place = self.place
        files = ("--cert", place.path(f"{cert}.pem"), "--key", place.path(f"{cert}.key"))
        return [*self.program, "perf-serve", f"127.0.0.1:{port}", *files]

    def perf(self, address, cacert, size, requests):
        """The command of its perf client: both ways, small ones, and a unidirectional request."""
        both = ("--down", str(size), "--up", str(size), "--requests", str(requests))
        yield [*self.program, "perf-get", address, "--cacert", cacert, *both]


class Quinn(Built):
    """quinn with hyperium's h3."""

    name, stack = "quinn", "quinn, h3"

    def __init__(self, place):
        super().__init__(place, "Cargo.toml", r'\nquinn = .*?"=([0-9.]+)"')
        self.program = (os.path.join(place.out, "quinn", "quinn-peer"),)


class Quiche(Built):
    """Cloudflare's quiche."""

    name, stack, conns_max = "quiche", "quiche", 1

    def __init__(self, place):
        super().__init__(place, "Cargo.toml", r'quiche = "=([0-9.]+)"')
        self.program = (os.path.join(place.out, "quiche", "quiche-peer"),)


class InTrixie:
    """Mixed into the peers that run inside the Debian 13 folder."""

    def missing(self):
        """They stand and fall with the folder."""
        return self.skipped("trixie")

    def enter(self, *command):
        """The command that runs another one inside the folder."""
        folder = os.path.realpath(os.path.join(self.place.out, "trixie"))
        return [os.path.join(self.place.interop, "enter.sh"), folder, self.place.root, *command]


class Aioquic(InTrixie, Program):
    """aioquic, in Python."""

    name, stack = "aioquic", "aioquic"
    size, full_size = 4 * MIB, 64 * MIB

    def __init__(self, place):
        super().__init__(place)
        script = os.path.join(place.interop, "peers", "aioquic", "aioquic_peer.py")
        self.program = tuple(self.enter("python3", "-B", script))

    def version(self):
        show = "import aioquic; print(aioquic.__version__)"
        return self.first_line(self.enter("python3", "-c", show))


class Curl(InTrixie, Peer):
    """Debian 13's curl: OpenSSL's QUIC with nghttp3."""

    name, stack, is_client = "curl-openssl", "OpenSSL QUIC, nghttp3", True
    cert_codes = (60,)
    curl = ("curl",)

    def version(self):
        return self.first_line(self.enter(*self.curl, "--version"), r"(?<=libcurl/)[0-9.]+[0-9]")

    def client(self, url, cacert, **want):
        command = self.enter(*self.curl, "--http3-only", "--ipv4", "--fail", "--silent")
        command += ["--show-error", "--cacert", cacert, "--max-time", str(want["seconds"])]
        command += ["--output", want.get("output") or "/dev/null"]
        if want.get("upload"):
            command += ["--upload-file", want["upload"]]
        if want.get("repeat"):
            counts = self.place.path("connects")
            open(counts, "w", encoding="ascii").close()
            command += ["--write-out", f"%output{{>>{counts}}}%{{num_connects}}\\n"]
            url += f"?[1-{want['repeat']}]"
        return command + [url]

    def check_client(self, want):
        if not want.get("repeat"):
            return None
        with open(self.place.path("connects"), encoding="ascii") as file:
            opened = [int(line) for line in file]
        if len(opened) != want["repeat"] or sum(opened) != 1:
            return f"{len(opened)} requests on {sum(opened)} connections"
        return None


class CurlNgtcp2(Curl):
    """The backports' curl: ngtcp2 with nghttp3. Its libraries lie beside the folder's own."""

    name, stack = "curl-ngtcp2", "ngtcp2, nghttp3"
    curl = (
        "sh",
        "-c",
        "export LD_LIBRARY_PATH=$(echo /opt/backports/usr/lib/*-linux-gnu);"
        ' exec /opt/backports/usr/bin/curl "$@"',
        "curl",
    )


NGINX = """
daemon off;
worker_processes 1;
user root;
pid {run}/nginx.pid;
error_log stderr info;
events {{}}
http {{
  default_type application/octet-stream;
  log_format port 'port $remote_port $request_method $uri $status';
  access_log {run}/nginx.access port;
  client_body_temp_path {run}/nginx.body;
  map $request_method $folder {{ default {www}; PUT {uploads}; }}
  server {{
    listen 127.0.0.1:{port} quic reuseport;
    http3 on;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    keepalive_requests 5000;
    client_max_body_size 0;
    location / {{ root $folder; dav_methods PUT; }}
  }}
}}
"""


class Nginx(InTrixie, Peer):
    """nginx; uploads by its dav module, which answers 201 and no body."""

    name, stack, is_server = "nginx", "nginx QUIC", True
    answers_hash = False

    def version(self):
        return self.first_line(self.enter("nginx", "-v"))

    def server(self, port, cert, uploads):
        place, path = self.place, self.place.path("nginx.conf")
        self.access = place.path("nginx.access")
        if os.path.exists(self.access):
            os.remove(self.access)
        with open(path, "w", encoding="ascii") as file:
            text = NGINX.format(
                run=place.run,
                www=place.www,
                uploads=uploads,
                port=port,
                cert=place.path(f"{cert}.pem"),
                key=place.path(f"{cert}.key"),
            )
            file.write(text)
        return self.enter("nginx", "-e", "stderr", "-c", path)

    def seen(self, log):
        with open(self.access, encoding="ascii") as file:
            return super().seen(file.read())


HAPROXY = """
global
  limited-quic
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind quic4@127.0.0.1:{port} ssl crt {both} alpn h3
  log global
  log-format "port %cp %HM %HU %ST %B %tsc"
  default_backend back
backend back
  server origin 127.0.0.1:{origin}
"""


class Haproxy(InTrixie, Peer):
    """haproxy before the HTTP/1.1 origin."""

    name, stack, is_server = "haproxy", "HAProxy QUIC", True

    def version(self):
        return self.first_line(self.enter("haproxy", "-v"))

    def server(self, port, cert, uploads):
        path = self.place.path("haproxy.cfg")
        with open(path, "w", encoding="ascii") as file:
            both = self.place.path(f"{cert}.both.pem")
            file.write(HAPROXY.format(port=port, both=both, origin=self.origin_port))
        return self.enter("haproxy", "-f", path)


CADDYFILE = """
{{
  auto_https off
  admin off
  default_sni localhost
  servers {{
    protocols h1 h2 h3
  }}
}}
https://localhost:{port} {{
  bind 127.0.0.1
  tls {cert} {key}
  root * {www}
  @put method PUT
  reverse_proxy @put 127.0.0.1:{origin}
  file_server
  log
}}
"""


class Caddy(Peer):
    """Caddy: an older quic-go; uploads go through it to the origin."""

    name, stack, is_server = "caddy", "quic-go (Caddy)", True
    port_pattern = r'"remote_port": ?"(\d+)"'

    def program(self):
        """The unpacked binary."""
        return os.path.join(self.place.out, "caddy", "usr", "bin", "caddy")

    def version(self):
        return self.first_line([self.program(), "version"])

    def server(self, port, cert, uploads):
        path = self.place.path("Caddyfile")
        with open(path, "w", encoding="ascii") as file:
            text = CADDYFILE.format(
                port=port,
                cert=self.place.path(f"{cert}.pem"),
                key=self.place.path(f"{cert}.key"),
                www=self.place.www,
                origin=self.origin_port,
            )
            file.write(text)
        home = f"HOME={self.place.run}"
        return ["env", home, self.program(), "run", "--adapter", "caddyfile", "--config", path]



def everyone(place):
    """Every peer but tern and the browser."""
    kinds = (QuicGo, Quinn, Quiche, Aioquic, Curl, CurlNgtcp2, Caddy, Nginx, Haproxy)
    return [kind(place) for kind in kinds]


def find_openssl():
    """Certificates are made with the openssl program; the reason why not, or None."""
    return None if shutil.which("openssl") else "no openssl program to make certificates with"
