#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an option of `tern serve` changes: CPU time of the server per GiB and per request, and how fast it was,
for each variant of its options, beside the first.

    bench/variants.py [--rounds N] [--both] [--cores SERVER CLIENT] OPTIONS OPTIONS...
    bench/variants.py "--workers 1" "--workers 2"
    bench/variants.py --both "--io epoll" "--io uring"     # the clients' options, too

All variants share one core for the server and one for the clients, so that a difference is the variant's own and
not that of a busier machine. Eight clients, rounds that alternate, medians.
"""
import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

GIB = 1 << 30
CLIENTS = 8
BULK_BYTES = GIB // 4  # of each client
REQUESTS = 8000  # of each client, 1 KiB


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_of(pid):
    """CPU seconds of a process that still runs, by the scheduler's nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def run_clients(args, url, options, repeat):
    command = ["taskset", "-c", str(args.cores[1]), f"{args.build}/tern", "get", url, "-k", "-o", "/dev/null",
               "--repeat", str(repeat), *options]
    begun = time.monotonic()
    clients = [subprocess.Popen(command) for _ in range(CLIENTS)]
    if any([client.wait(timeout=120) != 0 for client in clients]):
        sys.exit("variants: tern get failed")
    return time.monotonic() - begun


def measure(args, variant):
    port = free_port()
    options = variant.split()
    server = subprocess.Popen(["taskset", "-c", str(args.cores[0]), f"{args.build}/tern", "serve", args.site,
                               "--listen", f"127.0.0.1:{port}", *options], stdout=subprocess.PIPE, text=True)
    get_options = options if args.both else []
    try:
        while "listening" not in (line := server.stdout.readline()):
            if not line:
                sys.exit(f"variants: tern serve {variant} did not start")
        start = cpu_of(server.pid)
        bulk_seconds = run_clients(args, f"https://localhost:{port}/bulk.bin", get_options, 1)
        middle = cpu_of(server.pid)
        request_seconds = run_clients(args, f"https://localhost:{port}/small.bin", get_options, REQUESTS)
        end = cpu_of(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
    gib = CLIENTS * BULK_BYTES / GIB
    return {"cpu s/GiB": (middle - start) / gib,
            "cpu us/request": (end - middle) / (CLIENTS * REQUESTS) * 1e6,
            "Gbit/s": gib * GIB * 8 / 1e9 / bulk_seconds,
            "k requests/s": CLIENTS * REQUESTS / request_seconds / 1e3}


def make_site(site):
    os.makedirs(site, exist_ok=True)
    for name, size in (("bulk.bin", BULK_BYTES), ("small.bin", 1024)):
        with open(f"{site}/{name}", "ab") as f:
            f.truncate(size)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("variants", nargs="+", metavar="OPTIONS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--cores", nargs=2, default=["0", "1"])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--site", default="build/bench/variants")
    args = parser.parse_args()
    make_site(args.site)
    runs = [[] for _ in args.variants]
    for _ in range(args.rounds):
        for variant, list_ in zip(args.variants, runs):
            list_.append(measure(args, variant))
    rows = [{key: statistics.median(run[key] for run in list_) for key in list_[0]} for list_ in runs]
    for variant, row in zip(args.variants, rows):
        print(f"{variant:24}" + "".join(f"{value:10.3f} {key} ({value / rows[0][key]:.3f})"
                                        for key, value in row.items()))


if __name__ == "__main__":
    main()
