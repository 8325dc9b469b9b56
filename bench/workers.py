#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a second worker costs: CPU time of a server per GiB and per request with two workers beside one.

    bench/workers.py [--rounds N] [--build DIR]

Both servers share core 0, the clients core 1, so that the difference is the workers' own and not that
of a busier machine; eight clients, rounds that alternate, medians. Needs the files that bench/run.sh makes.
"""
import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys

GIB = 1 << 30
CLIENTS = 8
BULK_BYTES = GIB // 4  # of each client
REQUESTS = 8000  # of each client


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_of(pid):
    """User and system seconds of a process that still runs, from the scheduler's nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def run_clients(args, port, path, repeat):
    command = ["taskset", "-c", "1", f"{args.build}/tern", "get", f"https://localhost:{port}/{path}", "--cacert",
               f"{args.at}/cert.pem", "-o", "/dev/null", "--repeat", str(repeat)]
    clients = [subprocess.Popen(command) for _ in range(CLIENTS)]
    if any(client.wait(timeout=120) != 0 for client in clients):
        sys.exit("workers: tern get failed")


def measure(args, workers):
    port = free_port()
    server = subprocess.Popen(["taskset", "-c", "0", f"{args.build}/bench/memory_server", f"127.0.0.1:{port}",
                               f"{args.at}/cert.pem", f"{args.at}/key.pem", str(workers)], stdout=subprocess.PIPE,
                              text=True)
    try:
        if "listening" not in server.stdout.readline():
            sys.exit("workers: memory_server did not start")
        start = cpu_of(server.pid)
        run_clients(args, port, BULK_BYTES, 1)
        middle = cpu_of(server.pid)
        run_clients(args, port, 1024, REQUESTS)
        end = cpu_of(server.pid)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait(timeout=20)
    return {"s/GiB": (middle - start) / (CLIENTS * BULK_BYTES / GIB),
            "us/request": (end - middle) / (CLIENTS * REQUESTS) * 1e6}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--at", default="build/bench")
    args = parser.parse_args()
    runs = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers in runs:
            runs[workers].append(measure(args, workers))
    median = {workers: {key: statistics.median(run[key] for run in list_) for key in list_[0]}
              for workers, list_ in runs.items()}
    for workers, row in median.items():
        print(f"{workers} worker(s): " + ", ".join(f"{value:.3f} {key}" for key, value in row.items()))
    print("two workers beside one: " + ", ".join(f"{median[2][key] / median[1][key]:.3f} times the {key}"
                                                 for key in median[1]))


if __name__ == "__main__":
    main()
