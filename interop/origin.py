# SPDX-License-Identifier: MIT
"""The HTTP/1.1 origin behind the proxies: files, and uploads answered with their SHA-256."""

import hashlib
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

CHUNK_BYTES = 1 << 20
POLL_SECONDS = 0.02


class Handler(SimpleHTTPRequestHandler):
    """GET as the standard library does it; PUT writes into the upload folder."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    uploads = "."

    def body(self):
        """The pieces of a request body, by its length or chunked."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            piece = self.rfile.read(min(left, CHUNK_BYTES))
            if not piece:
                raise ConnectionError("the body ends early")
            left -= len(piece)
            yield piece

    def do_PUT(self):  # pylint: disable=invalid-name
        """Stores one upload."""
        digest = hashlib.sha256()
        with open(os.path.join(self.uploads, os.path.basename(self.path)), "wb") as file:
            for piece in self.body():
                digest.update(piece)
                file.write(piece)
        answer = digest.hexdigest().encode() + b"\n"
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """The proxies keep their own logs."""


class Quiet(ThreadingHTTPServer):
    """A server that says nothing of clients that went away."""

    request_queue_size = 1024  # a full queue costs its client a second
    daemon_threads = True

    def handle_error(self, request, client_address):
        """The case that runs judges what came of it."""


class Origin:
    """An origin in a thread of this process."""

    def __init__(self, files, uploads):
        def make(*args):
            return type("Bound", (Handler,), {"uploads": uploads})(*args, directory=files)

        self.server = Quiet(("127.0.0.1", 0), make)
        self.port = self.server.server_address[1]
        serve = self.server.serve_forever
        threading.Thread(target=serve, args=(POLL_SECONDS,), daemon=True).start()

    def stop(self):
        """Closes the listening socket."""
        self.server.shutdown()
        self.server.server_close()
