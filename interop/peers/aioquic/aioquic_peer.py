#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The aioquic peer of the interop runs: an HTTP/3 client and server with the
command line that every peer program here shares.

    aioquic_peer.py get URL [-o FILE] [-T FILE] [--cacert F] [--repeat N] [--max-time S]
    aioquic_peer.py serve DIR --listen ADDR --cert F --key F [--upload DIR]

Exit codes: 0 everything complete, 1 failure, 2 usage, 4 certificate refused.
With QLOGDIR set, a qlog file per connection is written there.
"""

import argparse
import asyncio
import hashlib
import os
import signal
import sys
import tempfile
from urllib.parse import urlsplit

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    ProtocolNegotiated,
    StreamDataReceived,
    StreamReset,
)
from aioquic.quic.logger import QuicFileLogger

CONCURRENT = 20
WINDOW_BYTES = 8 << 20
# CRYPTO_ERROR plus a TLS alert about a certificate (RFC 8446 section 6).
CERTIFICATE_ERRORS = {0x100 + alert for alert in (42, 43, 44, 45, 46, 48)}


def configuration(is_client):
    """What both roles set on a connection."""
    logs, secrets = os.environ.get("QLOGDIR"), os.environ.get("SSLKEYLOGFILE")
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=H3_ALPN,
        max_data=WINDOW_BYTES,
        max_stream_data=WINDOW_BYTES,
        quic_logger=QuicFileLogger(logs) if logs else None,
        secrets_log_file=open(secrets, "a", encoding="ascii") if secrets else None,
    )


def ends_stream(event):
    """Whether that is a stream's end. aioquic's HTTP events do not tell when an
    unknown frame (grease) is the last one."""
    return isinstance(event, StreamDataReceived) and event.end_stream


class Client(QuicConnectionProtocol):
    """Requests by stream id, each a future that ends with its status."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.waiting = {}
        self.status = {}
        self.output = {}
        self.end = None

    async def request(self, url, upload=None, output=None):
        """Sends one request and waits until its answer is complete."""
        body = open(upload, "rb").read() if upload else None
        stream = self._quic.get_next_available_stream_id()
        head = [
            (b":method", b"PUT" if upload else b"GET"),
            (b":scheme", b"https"),
            (b":authority", url.netloc.encode()),
            (b":path", (url.path or "/").encode()),
        ]
        if body is not None:
            head.append((b"content-length", str(len(body)).encode()))
        self.waiting[stream] = asyncio.get_running_loop().create_future()
        self.output[stream] = output
        self.http.send_headers(stream, head, end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        status = await self.waiting[stream]
        if status >= 400:
            raise OSError(f"status {status}")

    def fail_all(self, error):
        """Ends every request that still waits."""
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(error)

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.end = event
            self.fail_all(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        elif isinstance(event, StreamReset):
            self.waiting[event.stream_id].set_exception(OSError(f"reset {event.error_code:#x}"))
        for item in self.http.handle_event(event):
            self.on_http(item)
        if ends_stream(event):
            self.on_end(event.stream_id)

    def on_http(self, item):
        """Keeps a status, writes data."""
        if isinstance(item, HeadersReceived):
            self.status.setdefault(item.stream_id, int(dict(item.headers)[b":status"]))
        elif isinstance(item, DataReceived) and self.output.get(item.stream_id):
            self.output[item.stream_id].write(item.data)

    def on_end(self, stream):
        """The answer is complete."""
        future = self.waiting.get(stream)
        if future and not future.done():
            future.set_result(self.status[stream])


async def run_client(client, args):
    """The first request with its files, then the repetitions."""
    url = urlsplit(args.url)
    with open(args.output or os.devnull, "wb") as output:
        await client.request(url, args.upload, output)
    gate = asyncio.Semaphore(CONCURRENT)

    async def one():
        async with gate:
            await client.request(url)

    await asyncio.gather(*(one() for _ in range(args.repeat - 1)))


async def get(args):
    """The client role."""
    config = configuration(True)
    if args.cacert:
        config.load_verify_locations(cafile=args.cacert)
    url = urlsplit(args.url)
    made = []

    def make(*pieces, **more):
        made.append(Client(*pieces, **more))
        return made[-1]

    try:
        async with connect(
            url.hostname, url.port or 443, configuration=config, create_protocol=make
        ) as client:
            await asyncio.wait_for(run_client(client, args), args.max_time)
    except (OSError, asyncio.TimeoutError) as error:
        end = made[-1].end if made else None
        print("aioquic_peer:", repr(error), end or "", file=sys.stderr)
        return 4 if end and end.error_code in CERTIFICATE_ERRORS else 1
    return 0


class Server(QuicConnectionProtocol):
    """Files out of one folder, uploads into another."""

    files = uploads = "."

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = None
        self.storing = {}

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
            print("connection", flush=True)
        elif isinstance(event, StreamReset):
            self.storing.pop(event.stream_id, None)
        for item in self.http.handle_event(event) if self.http else ():
            if isinstance(item, HeadersReceived):
                self.on_headers(item)
            elif isinstance(item, DataReceived):
                self.on_data(item)
        if ends_stream(event) and event.stream_id in self.storing:
            self.finish(event.stream_id)

    def on_headers(self, item):
        """Starts an upload or answers with a file."""
        head = dict(item.headers)
        name = os.path.basename(head.get(b":path", b"/").decode())
        if head.get(b":method") in (b"PUT", b"POST"):
            path = os.path.join(self.uploads, name)
            self.storing[item.stream_id] = (open(path, "wb"), hashlib.sha256())
            return
        path = os.path.join(self.files, head[b":path"].decode().split("?")[0].lstrip("/"))
        if ".." in path.split("/") or not os.path.isfile(path):
            self.answer(item.stream_id, 404, b"")
            return
        with open(path, "rb") as file:
            self.answer(item.stream_id, 200, file.read())

    def on_data(self, item):
        """A piece of an upload."""
        if item.stream_id not in self.storing:
            return
        file, digest = self.storing[item.stream_id]
        file.write(item.data)
        digest.update(item.data)

    def finish(self, stream):
        """An upload is complete: its SHA-256 is the answer."""
        file, digest = self.storing.pop(stream)
        file.close()
        self.answer(stream, 201, digest.hexdigest().encode() + b"\n")

    def answer(self, stream, status, body):
        """One whole response."""
        head = [(b":status", str(status).encode()), (b"content-length", str(len(body)).encode())]
        self.http.send_headers(stream, head, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()


async def run_server(args):
    """The server role, until SIGTERM."""
    config = configuration(False)
    config.load_cert_chain(args.cert, args.key)
    Server.files, Server.uploads = args.dir, args.upload
    host, port = args.listen.rsplit(":", 1)
    server = await serve(host, int(port), configuration=config, create_protocol=Server)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("listening on", args.listen, flush=True)
    await stop.wait()
    server.close()
    await asyncio.sleep(0.1)
    return 0


def parse():
    """The command line."""
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    client = roles.add_parser("get")
    client.add_argument("url")
    client.add_argument("-o", dest="output")
    client.add_argument("-T", dest="upload")
    client.add_argument("--cacert")
    client.add_argument("--repeat", type=int, default=1)
    client.add_argument("--max-time", type=float, default=60)
    server = roles.add_parser("serve")
    server.add_argument("dir")
    for name in ("--listen", "--cert", "--key"):
        server.add_argument(name, required=True)
    server.add_argument("--upload", default=tempfile.gettempdir())
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    sys.exit(asyncio.run({"get": get, "serve": run_server}[arguments.role](arguments)))
