#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where the nanoseconds of a packet go, by part of the work, for both sides of a bulk transfer.

    bench/budget.py [--upload] [--functions] [--rounds N] [--bytes N] [--build build/profile]

perf samples both cores while `tern get` fetches from bench/memory_server, and while the raw limit
(bench/limit.c) runs; samples become parts by source file and function (bench/samples.py). The last
column is the budget: what a part may cost if CPU per GiB is to be 1.35 times the limit's.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time

import machine
import samples

# What tern may spend per packet beyond the limit's own system calls and AEAD: with these, CPU per GiB
# is 1.35 times the limit's, the aim. A part is shared by both sides, so one figure serves both.
BUDGET_NS = {
    samples.MASKS: 6,
    samples.FRAMING: 20,
    samples.STREAMS: 20,
    samples.ACKS: 12,
    samples.BOOKS: 30,
    samples.HTTP: 6,
    samples.LOOP: 6,
    samples.COPY: 12,
    samples.APP: 4,
}


# 1,452-byte datagrams: short header 1 + 8 + 2, STREAM frame 1 + 2 + 5 or so, tag 16
PACKET_BODY_BYTES = 1452 - 11 - 8 - 16


class Recorder:
    """perf on both cores, for as long as the `with` lasts."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        cores = (machine.SERVER_CORE, machine.CLIENT_CORE)
        self.process = subprocess.Popen(samples.record(self.path, cores), stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


class Profile:
    """Samples of some rounds, and how many packets went by in them."""

    def __init__(self, args, name):
        self.args, self.path = args, os.path.join(args.at, f"{name}.perf")
        self.samples = samples.Samples()
        self.sent = self.received = 0

    def sides(self):
        """ns per packet by part of the core that serves and of the one that asks."""
        return (self.samples.nanoseconds(machine.SERVER_CORE, self.sent),
                self.samples.nanoseconds(machine.CLIENT_CORE, self.received))


class Limit(Profile):
    """The raw limit; the core of the server sends."""

    def round(self):
        """One run of some seconds."""
        limit, port = os.path.join(self.args.build, "bench", "limit"), str(machine.free_port())
        pin = ("taskset", "-c", str(machine.CLIENT_CORE))
        with Recorder(self.path):
            receiver = subprocess.Popen([*pin, limit, "rx", "gso", port], text=True, stdout=subprocess.PIPE)
            time.sleep(0.2)
            sender = machine.Run([limit, "tx", "gso", port, "2"], core=machine.SERVER_CORE)
            out = sender.output + receiver.communicate(timeout=60)[0]
        packets = {m[1]: int(m[2]) for m in re.finditer(r"limit (\w+):.* (\d+) packets", out)}
        self.sent += packets["send"]
        self.received += packets["receive"]
        self.samples.add(self.path)


class Tern(Profile):
    """A bulk transfer with tern on both sides."""

    def commands(self, port):
        """(server, client)"""
        args = self.args
        cert, key = machine.certificate(args.at)
        server = [os.path.join(args.build, "bench", "memory_server"), f"127.0.0.1:{port}", cert, key]
        client = [os.path.join(args.build, "tern"), "get", "--cacert", cert, "-o", "/dev/null"]
        if not args.upload:
            return server, [*client, f"https://localhost:{port}/{args.bytes}"]
        body = os.path.join(args.at, "upload.bin")
        with open(body, "wb") as file:
            file.truncate(args.bytes)
        return server, [*client, "-T", body, f"https://localhost:{port}/0"]

    def round(self):
        """One transfer."""
        args, port = self.args, machine.free_port()
        server, client = self.commands(port)
        with open(os.path.join(args.at, "budget.log"), "w", encoding="utf-8") as log:
            with machine.Server(server, port, log), Recorder(self.path):
                run = machine.Run(client, log)
        if run.code != 0:
            sys.exit(f"budget: tern get failed:\n{run.output}")
        print(f"{args.bytes / machine.GIB:g} GiB in {run.seconds:.2f} s, "
              f"{args.bytes * 8 / run.seconds / 1e9:.1f} Gbit/s while perf samples", flush=True)
        self.sent += args.bytes / PACKET_BODY_BYTES
        self.received += args.bytes / PACKET_BODY_BYTES
        self.samples.add(self.path)


def show(args, limit, tern):
    """The table, in Markdown."""
    names = ("receives", "sends") if args.upload else ("sends", "receives")
    least, sides = limit.sides(), tern.sides()
    if args.upload:
        least = least[::-1]
    columns = (least[0], sides[0], least[1], sides[1])
    print(f"\n| ns per packet | limit {names[0]} | server {names[0]} | limit {names[1]} "
          f"| client {names[1]} | budget |")
    print("|---|---|---|---|---|---|")
    for part in samples.PARTS:
        budget = f"{BUDGET_NS[part]}" if part in BUDGET_NS else "the limit's"
        cells = " | ".join(f"{column.get(part, 0):.0f}" for column in columns)
        print(f"| {part} | {cells} | {budget} |")
    total = [sum(column.values()) for column in columns]
    cells = " | ".join(f"{value:.0f}" for value in total)
    print(f"| all | {cells} | {1.35 * total[0]:.0f} and {1.35 * total[2]:.0f} |")
    print(f"| beside the limit | | {total[1] / total[0]:.2f} | | {total[3] / total[2]:.2f} | 1.35 |")


def show_functions(limit, tern):
    """Both sides by function, most first."""
    server, client = machine.SERVER_CORE, machine.CLIENT_CORE
    for title, profile, core, packets in (
            ("limit, core of the server", limit, server, limit.sent),
            ("limit, core of the client", limit, client, limit.received),
            ("server", tern, server, tern.sent), ("client", tern, client, tern.received)):
        print(f"\n{title}: ns per packet by function")
        for part, name, nanoseconds in profile.samples.top(core, packets, 1.5):
            print(f"  {nanoseconds:6.1f}  {part:18} {name}")


def main():
    """Both profiles, one table."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(root, "build", "profile"))
    parser.add_argument("--at", default=os.path.join(root, "build", "bench"))
    parser.add_argument("--bytes", type=int, default=2 * machine.GIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--upload", action="store_true", help="the client sends")
    parser.add_argument("--functions", action="store_true", help="and by function, from 2 ns on")
    args = parser.parse_args()
    os.makedirs(args.at, exist_ok=True)
    limit, tern = Limit(args, "limit"), Tern(args, "tern")
    for _ in range(args.rounds):
        limit.round()
        tern.round()
    show(args, limit, tern)
    if args.functions:
        show_functions(limit, tern)


if __name__ == "__main__":
    main()
