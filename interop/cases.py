# SPDX-License-Identifier: MIT
"""The cases: each starts a server, runs a client against it, and judges both."""

import json
import os
import socket

import origin
import procs
from place import HOST, SMALL, sha256

NAMES = ("handshake", "download", "upload", "requests", "badcert", "retry", "load", "perf")
REQUESTS = 1000
SHORT_SECONDS = 20


class Failed(Exception):
    """A case that did not hold, with the reason."""


class Case:
    """One server peer, one client peer, one case."""

    def __init__(self, place, server, client, options):
        self.place, self.server, self.client = place, server, client
        self.size = min(
            (peer.full_size if options.full else peer.size) for peer in (server, client)
        )
        self.seconds = 600 if options.full else 30
        self.env = None
        self.log = self.server_log = None

    def run(self, name):
        """Runs the case of that name; raises Failed."""
        stem = os.path.join(self.place.logs, f"{self.client.name}-to-{self.server.name}-{name}")
        self.env = dict(os.environ)
        if self.env.pop("TERN_INTEROP_QLOG", None):
            os.makedirs(f"{stem}.qlog", exist_ok=True)
            self.env["QLOGDIR"] = f"{stem}.qlog"
        with open(f"{stem}.client.log", "w", encoding="utf-8") as self.log:
            with open(f"{stem}.server.log", "w", encoding="utf-8") as self.server_log:
                getattr(self, name)()

    def applies(self, name):
        """Whether the two can do the case of that name."""
        if name == "load":
            return self.client.is_loader
        if name == "retry":
            return self.server.can_retry
        return name != "perf" or (self.server.is_perf and self.client.is_perf)

    def serving(self, cert="good", kind="server"):
        """A running server, to be used with `with`."""
        return Serving(self, cert, kind)

    def get(self, url, cacert="ca", **want):
        """Runs the client; its exit code."""
        want.setdefault("seconds", self.seconds)
        command = self.client.client(url, self.place.path(f"{cacert}.pem"), **want)
        return procs.run(command, self.log, want["seconds"] + 5, env=self.env)

    def must_get(self, url, **want):
        """Runs the client, which must succeed and leave its output."""
        output = want.get("output")
        if output and os.path.exists(output):
            os.remove(output)
        code = self.get(url, **want)
        if code != 0:
            raise Failed(f"client: {'no end' if code is None else f'exit {code}'}")
        if output and not os.path.exists(output):
            raise Failed("client: exit 0 and no output")
        wrong = self.client.check_client(want)
        if wrong:
            raise Failed(f"client: {wrong}")

    def handshake(self):
        """One small file."""
        with self.serving() as url:
            self.fetch_small(url)

    def fetch_small(self, url):
        """GET of the small file, content compared."""
        output = self.place.path("output")
        self.must_get(f"{url}/small.txt", output=output, seconds=SHORT_SECONDS)
        with open(output, "rb") as file:
            if file.read() != SMALL:
                raise Failed("the small file came out different")

    def retry(self):
        """A server that has every client's address proven first."""
        with self.serving(kind="retry_server") as url:
            self.fetch_small(url)

    def download(self):
        """One large file."""
        name, output = self.place.large(self.size), self.place.path("output")
        with self.serving() as url:
            self.must_get(f"{url}/{name}", output=output)
        if sha256(output) != sha256(os.path.join(self.place.www, name)):
            raise Failed(f"{os.path.getsize(output)} bytes came, not the file's SHA-256")
        os.remove(output)

    def upload(self):
        """One large PUT: what is stored and what is answered must both agree."""
        source = os.path.join(self.place.www, self.place.large(self.size))
        stored = os.path.join(self.place.uploads, "upload.bin")
        output = self.place.path("output")
        if os.path.exists(stored):
            os.remove(stored)
        with self.serving() as url:
            self.must_get(f"{url}/upload.bin", upload=source, output=output)
        self.check_upload(source, stored, output)
        os.remove(stored)

    def check_upload(self, source, stored, output):
        """Compares the stored file and the answer with the source."""
        digest = sha256(source)
        if not os.path.exists(stored):
            raise Failed("the upload was not stored")
        if sha256(stored) != digest:
            raise Failed(f"{os.path.getsize(stored)} bytes stored, not the file's SHA-256")
        with open(output, encoding="ascii", errors="replace") as file:
            answer = file.read().strip()
        if self.server.answers_hash and answer != digest:
            raise Failed(f"the answer is not the SHA-256: {answer[:80]!r}")

    def requests(self):
        """Many small requests, one connection."""
        with self.serving() as url:
            self.must_get(f"{url}/small.txt", repeat=REQUESTS)
        with open(self.server_log.name, encoding="utf-8", errors="replace") as file:
            seen = self.server.seen(file.read())
        if seen and seen != {"connections": 1, "requests": REQUESTS} and seen != {"connections": 1}:
            raise Failed(f"the server saw {seen}, not {REQUESTS} requests on one connection")

    def load(self):
        """Requests on several connections by `tern perf h3`: each answered with 200."""
        with self.serving() as url:
            cacert, conns = self.place.path("ca.pem"), self.server.conns_max
            command = self.client.load(f"{url}/small.txt", cacert, REQUESTS, conns)
            code = procs.run(command, self.log, self.seconds, env=self.env)
        said = self.said()
        if code != 0 or (said["done"], said["failed"]) != (REQUESTS, 0):
            raise Failed(f"client: exit {code}, {said['done']} done, {said['failed']} failed")
        if said["statuses"] != {"200": REQUESTS}:
            raise Failed(f"client: {said['statuses']}")

    def said(self):
        """The JSON object in the client's log."""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if line.startswith("{")]
        if not lines:
            raise Failed("client: no report")
        return json.loads(lines[-1])

    def perf(self):
        """The perf protocol: streams down and up, and many small ones."""
        with self.serving(kind="perf_server") as url:
            address = url.rsplit("/", 1)[1].replace(HOST, "127.0.0.1")
            for command in self.client.perf(address, self.place.path("ca.pem"), self.size, REQUESTS):
                code = procs.run(command, self.log, self.seconds, env=self.env)
                if code != 0:
                    raise Failed(f"client: {'no end' if code is None else f'exit {code}'}")

    def badcert(self):
        """A CA that the client does not know; then a name that is not the server's."""
        with self.serving() as url:
            self.must_refuse(url, "stranger", "an unknown CA")
            self.fetch_small(url)
        with self.serving("wrong") as url:
            self.must_refuse(url, "ca", "a wrong name")

    def must_refuse(self, url, cacert, what):
        """The client must say that it is the certificate."""
        code = self.get(f"{url}/small.txt", cacert=cacert, seconds=SHORT_SECONDS)
        if code not in self.client.cert_codes:
            raise Failed(f"client: exit {code} for {what}, not {self.client.cert_codes[0]}")


class Serving:
    """Starts a server for a case and stops it; tern must stop by itself with 0."""

    def __init__(self, case, cert, kind):
        self.case = case
        place, peer = case.place, case.server
        self.origin = origin.Origin(place.www, place.uploads)
        peer.origin_port = self.origin.port
        port = procs.free_port(socket.SOCK_DGRAM)
        command = getattr(peer, kind)(port, cert, place.uploads)
        self.url = f"https://{HOST}:{port}"
        try:
            self.program = procs.Server(command, case.server_log, port, case.env)
        except OSError as error:
            self.origin.stop()
            raise Failed(str(error)) from error

    def __enter__(self):
        return self.url

    def __exit__(self, kind, *_):
        alive = self.program.is_alive()
        code = self.program.stop()
        self.origin.stop()
        if kind is not None and alive:
            return
        if not alive:
            raise Failed(f"server: ended by itself with {code}")
        if self.case.server.name == "tern" and code != 0:
            raise Failed("server: no end after SIGTERM" if code is None else f"server: exit {code}")
