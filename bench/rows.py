# SPDX-License-Identifier: MIT
"""The rows of the table: one run of each against a server, and the raw limit beside them.

The client is always `tern perf h3`, on the other core, so that servers can be compared. Each run gives
a dict of figures; medians and spreads are taken over the rounds.
"""

import json
import os
import re
import subprocess
import time

import machine
import stacks

GIB = machine.GIB
BUILD = os.path.join(stacks.ROOT, "build", "release")
LIMIT = os.path.join(BUILD, "bench", "limit")
TERN = os.environ.get("TERN", os.path.join(BUILD, "tern"))
NO_OFFLOAD = ("--no-gso", "--no-gro")


class Failed(Exception):
    """A run that gave no figures, with the reason."""


def load(place, url, options, log):
    """One run of the load generator: (its report, machine.Run)."""
    command = [TERN, "perf", "h3", "--json", "--cacert", place.cert, "--ciphers", "aes128", *options, url]
    run = machine.Run(command, log)
    try:
        report = json.loads(run.output[run.output.index("{"):])
    except ValueError:
        raise Failed(f"exit {run.code}: {run.output.strip()[-200:]}") from None
    if run.code != 0 or report["failed"] != 0 or report["unfinished"] != 0:
        raise Failed(f"exit {run.code}, {report['failed']} failed, {report['unfinished']} unfinished")
    return report, run


class Row:
    """A row: how it loads a server and what it reads off."""

    def __init__(self, name, title, options, path, knobs=()):
        # pylint: disable=too-many-arguments,too-many-positional-arguments
        self.name, self.title, self.options, self.path, self.knobs = name, title, options, path, knobs

    def measure(self, stack, log):
        """One run against a server of that kind."""
        port = stacks.free_port(stack)
        stack.prepare(int(self.path))
        log.write(f"== {self.name} {stack.name}\n")
        with machine.Server(stack.command(port, self.knobs), port, log, stack.kind) as server:
            url = f"https://localhost:{port}/{self.path}"
            if stack.kind == "tcp":
                return self.measure_tcp(server, url, stack.place)
            load(stack.place, f"https://localhost:{port}/1024" if stack.body == "memory" else url,
                 ("--requests", "1", *self.knobs), log)
            before = server.cpu()
            report, run = load(stack.place, url, (*self.options, *self.knobs), log)
            return self.read(report, run, server.cpu() - before)

    def measure_tcp(self, server, url, place):
        """The same download by curl over TCP."""
        before = server.cpu()
        run = machine.Run(["curl", "--silent", "--show-error", "--http1.1", "--cacert", place.cert,
                           "--output", "/dev/null", "--write-out", "%{time_total} %{size_download}", url])
        if run.code != 0:
            raise Failed(run.output)
        seconds, size = (float(word) for word in run.output.split()[-2:])
        return {"goodput": size * 8 / seconds / 1e9, "server": (server.cpu() - before) / (size / GIB),
                "client": run.cpu / (size / GIB)}

    def read(self, report, run, cpu):
        """The figures of a run."""
        raise NotImplementedError


class Bulk(Row):
    """Bytes in one direction."""

    def read(self, report, run, cpu):
        size = max(report["received_bytes"], report["sent_bytes"])
        gib = size / GIB
        return {"goodput": size * 8 / report["seconds"] / 1e9, "server": cpu / gib,
                "client": run.cpu / gib}


class Requests(Row):
    """Many small answers: CPU of the server for each, and how many a second."""

    def read(self, report, run, cpu):
        return {"server_us": cpu * 1e6 / report["done"], "client_us": run.cpu * 1e6 / report["done"],
                "rate": report["done_per_second"]}


class Latency(Row):
    """A request at a time, each after the answer to the one before."""

    def read(self, report, run, cpu):
        return {"p50": report["latency_us"]["p50"], "p99": report["latency_us"]["p99"]}


def rows(quick):
    """All rows; bodies are smaller when there is little time."""
    bulk = GIB if quick else 2 * GIB
    many = 100000 if quick else 200000
    each = str(bulk // 100 // 4096 * 4096)
    put = ("-X", "PUT", "--body-bytes", str(bulk), "--requests", "1")
    return [
        Bulk("download", "bulk download, one stream", ("--requests", "1"), str(bulk)),
        Bulk("upload", "bulk upload, one stream", put, "1"),
        Bulk("streams", "100 streams at once", ("--streams", "100", "--requests", "100"), each),
        Bulk("plain", "bulk download without GSO and GRO", ("--requests", "1"), str(bulk // 2), NO_OFFLOAD),
        Requests("requests", "1 KiB, 1 connection x 100 streams",
                 ("--streams", "100", "--requests", str(many)), "1024"),
        Requests("requests-many", "1 KiB, 100 connections x 10 streams",
                 ("--connections", "100", "--streams", "10", "--requests", str(many)), "1024"),
        Latency("latency", "request latency on an idle server",
                ("--requests", "10000"), "1024"),
    ]


def limit(kind, seconds):
    """The raw limit; kind is "gso" (runs both ways) or "plain" (a datagram is a message)."""
    port = str(machine.free_port())
    pin = ("taskset", "-c", str(machine.CLIENT_CORE))
    receiver = subprocess.Popen([*pin, LIMIT, "rx", kind, port], stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    sender = machine.Run([LIMIT, "tx", kind, port, str(seconds)], core=machine.SERVER_CORE)
    out = sender.output + receiver.communicate(timeout=60)[0]
    figure = re.compile(r"limit (\w+): goodput ([\d.]+) Gbit/s, cpu ([\d.]+) s/GiB")
    sides = {m[1]: (float(m[2]), float(m[3])) for m in figure.finditer(out)}
    return {"goodput": sides["receive"][0], "server": sides["send"][1], "client": sides["receive"][1]}


def echo(seconds):
    """A bare UDP echo: round trips one after the other."""
    port = str(machine.free_port())
    pin = ("taskset", "-c", str(machine.SERVER_CORE))
    server = subprocess.Popen([*pin, LIMIT, "echo", port])
    try:
        time.sleep(0.2)
        run = machine.Run([LIMIT, "ping", port, str(seconds)])
        found = re.search(r"p50 ([\d.]+) us, p99 ([\d.]+) us", run.output)
        return {"p50": float(found[1]), "p99": float(found[2])}
    finally:
        server.terminate()
        server.wait()
