#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rounds of bench/run.sh: limit, tern, limit, tern ... and the medians at the end."""
import argparse
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

GIB = 1 << 30


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pinned(core, command, **options):
    return subprocess.Popen(["taskset", "-c", str(core)] + command, text=True, **options)


def cpu_of(pid):
    """User and system seconds of a process that still runs."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_limit(args):
    port = str(free_port())
    receiver = pinned(args.cores[1], [args.limit, "rx", port], stdout=subprocess.PIPE)
    time.sleep(0.2)
    sender = pinned(args.cores[0], [args.limit, "tx", port, "3"], stdout=subprocess.PIPE)
    out = sender.communicate(timeout=60)[0] + receiver.communicate(timeout=60)[0]
    figure = re.compile(r"limit (\w+): goodput ([\d.]+) Gbit/s, cpu ([\d.]+) s/GiB")
    sides = {m[1]: (float(m[2]), float(m[3])) for m in figure.finditer(out)}
    return {"goodput": sides["receive"][0], "send": sides["send"][1], "receive": sides["receive"][1]}


def serve_file(args, port):
    return [args.tern, "serve", f"{args.at}/site", "--listen", f"127.0.0.1:{port}", "--cert",
            f"{args.at}/cert.pem", "--key", f"{args.at}/key.pem"], "bulk.bin"


def serve_memory(args, port):
    return [args.memory, f"127.0.0.1:{port}", f"{args.at}/cert.pem",
            f"{args.at}/key.pem"], str(args.bytes)


def run_tern(args, serve):
    """One download from a server of tern's; the client is `tern get` in both cases."""
    port = free_port()
    command, path = serve(args, port)
    server = pinned(args.cores[0], command, stdout=subprocess.PIPE)
    try:
        while "listening" not in server.stdout.readline():
            if server.poll() is not None:
                sys.exit(f"bench: {command[0]} did not start")
        before = cpu_of(server.pid)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        client = pinned(args.cores[1], [args.tern, "get", f"https://localhost:{port}/{path}",
                                        "--cacert", f"{args.at}/cert.pem", "-o", "/dev/null"])
        if client.wait(timeout=300) != 0:
            sys.exit("bench: tern get failed")
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client_cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        server_cpu = cpu_of(server.pid) - before
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
    gib = args.bytes / GIB
    return {"goodput": args.bytes * 8 / seconds / 1e9, "send": server_cpu / gib,
            "receive": client_cpu / gib}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tern", required=True)
    parser.add_argument("--limit", required=True)
    parser.add_argument("--memory", required=True)
    parser.add_argument("--at", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--cores", type=int, nargs=2, required=True)
    args = parser.parse_args()
    results = {"limit": [], "memory": [], "file": []}
    for number in range(args.rounds):
        results["limit"].append(run_limit(args))
        results["memory"].append(run_tern(args, serve_memory))
        results["file"].append(run_tern(args, serve_file))
        print(f"round {number + 1}: " + ", ".join(
            f"{name} {runs[-1]['goodput']:.2f} Gbit/s" for name, runs in results.items()),
            flush=True)
    median = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
              for name, runs in results.items()}
    print(f"\nbulk download, {args.bytes / GIB:g} GiB, one stream, AES-128-GCM, 1,452-byte packets, "
          f"medians of {args.rounds} rounds")
    print(f"{'':8}{'goodput Gbit/s':>16}{'send s/GiB':>12}{'receive s/GiB':>15}")
    for name, row in median.items():
        print(f"{name:8}{row['goodput']:16.2f}{row['send']:12.3f}{row['receive']:15.3f}")
    for name in ("file", "memory"):
        ratio = {key: median[name][key] / median["limit"][key] for key in median["limit"]}
        print(f"{name}: bulk/limit {ratio['goodput']:.2f}, cpu/limit send {ratio['send']:.2f} "
              f"receive {ratio['receive']:.2f}")


if __name__ == "__main__":
    main()
