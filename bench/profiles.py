#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Profiles that a person opens, of both sides of each scenario.

    bench/profiles.py flame [SCENARIO]...   build/bench/flame-SCENARIO-SIDE.svg, from perf's call chains
    bench/profiles.py heap [SCENARIO]...    build/bench/heap-SCENARIO.txt and .svg of the server, from
                                           heaptrack: who allocates, how often, and what the peak is

Scenarios: download, upload, streams, requests (default: all). Programs are those of build/profile.
"""

import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import flame
import machine
import samples
import stacks

BUILD = os.path.join(stacks.ROOT, "build", "profile")
FOLDER = os.path.join(stacks.ROOT, "build", "bench")
GIB = machine.GIB
SCENARIOS = {
    "download": (("--requests", "1"), 2 * GIB),
    "upload": (("-X", "PUT", "--body-bytes", str(2 * GIB), "--requests", "1"), 1),
    "streams": (("--requests", "100", "--streams", "100"), 20 << 20),
    "requests": (("--requests", "200000", "--streams", "100"), 1024),
}


def server_command(place, port):
    """bench/memory_server."""
    return [os.path.join(BUILD, "bench", "memory_server"), f"127.0.0.1:{port}", place.cert, place.key]


def client_command(place, port, scenario):
    """tern perf h3."""
    options, path = SCENARIOS[scenario]
    return [os.path.join(BUILD, "tern"), "perf", "h3", "--cacert", place.cert, "--ciphers", "aes128",
            *options, f"https://localhost:{port}/{path}"]


def run_client(place, port, scenario, log):
    """The load; it must end well."""
    run = machine.Run(client_command(place, port, scenario), log)
    if run.code != 0:
        sys.exit(f"profile: the client failed, see {log.name}:\n{run.output}")


def fold(path, pid):
    """perf's chains of one process as {stack: samples}, outermost first."""
    command = ("perf", "script", "-i", path, "--no-inline", "--pid", str(pid), "-F", "ip,sym,dso")
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = Counter()
    for block in text.split("\n\n"):
        stack = []
        for line in block.strip().splitlines():
            match = re.match(r"\s*[0-9a-f]+ (.*?) \((.*)\)$", line)
            if match:
                name = re.sub(r"\.(lto_priv|constprop|isra|part|cold)(\.\d+)*", "", match[1])
                stack.append(f"{name}_[k]" if "kernel" in match[2] else name)
        if stack:
            found[tuple(reversed(stack))] += 1
    return found


def flame_graph(place, scenario, log):
    """Samples both sides and draws a graph of each."""
    path, port = os.path.join(FOLDER, f"{scenario}.perf"), machine.free_port()
    record = ["perf", "record", "-q", "-g", "-o", path, "-e", "cpu-clock", "-F", str(samples.FREQUENCY)]
    with machine.Server(server_command(place, port), port, log) as server:
        perf = subprocess.Popen([*record, "-p", str(server.process.pid)], stderr=log)
        time.sleep(0.5)
        client = [*record[:5], f"{path}.client", *record[6:], "--"]
        machine.Run([*client, *client_command(place, port, scenario)], log)
        perf.send_signal(signal.SIGINT)
        perf.wait(30)
        sides = {"server": (path, server.process.pid)}
    text = subprocess.run(("perf", "script", "-i", f"{path}.client", "-F", "pid,comm"),
                          capture_output=True, text=True, check=True).stdout
    pids = Counter(re.findall(r"tern\s+(\d+)", text))
    sides["client"] = (f"{path}.client", pids.most_common(1)[0][0])
    for side, (file, pid) in sides.items():
        out = os.path.join(FOLDER, f"flame-{scenario}-{side}.svg")
        flame.write(out, f"tern, {scenario}, {side}", fold(file, pid))
        print(os.path.relpath(out, stacks.ROOT))


def end_gently(server, name):
    """Ends the program and lets those around it write down what they have seen."""
    for pid in machine.members(server.process.pid):
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                os.kill(pid, signal.SIGTERM)
    server.process.wait(60)


def heap_report(place, scenario, log):
    """heaptrack around the server; its text and a graph of the allocations."""
    port, base = machine.free_port(), os.path.join(FOLDER, f"heap-{scenario}")
    for old in glob.glob(f"{base}.*"):
        os.remove(old)
    command = ["heaptrack", "-o", base, *server_command(place, port)]
    with machine.Server(command, port, log) as server:
        run_client(place, port, scenario, log)
        end_gently(server, "memory_server")
    data = next(iter(glob.glob(f"{base}.zst") + glob.glob(f"{base}.gz")), None)
    if data is None:
        sys.exit(f"profile: heaptrack left nothing, see {log.name}")
    folded = f"{base}.folded"
    show = ["heaptrack_print", "-f", data, "-F", folded, "--flamegraph-cost-type", "allocations"]
    with open(f"{base}.txt", "w", encoding="utf-8") as file:
        subprocess.run(show, stdout=file, stderr=log, check=True)
    with open(folded, encoding="utf-8") as file:
        flame.write(f"{base}.svg", f"tern, {scenario}, server: calls of the allocator",
                    flame.read_folded(file.read()))
    print(os.path.relpath(f"{base}.txt", stacks.ROOT), os.path.relpath(f"{base}.svg", stacks.ROOT))


def main():
    """One kind of profile, each scenario in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("flame", "heap"))
    parser.add_argument("scenario", nargs="*", choices=list(SCENARIOS) + [[]])
    args = parser.parse_args()
    os.makedirs(FOLDER, exist_ok=True)
    place = stacks.Place(FOLDER)
    make = flame_graph if args.kind == "flame" else heap_report
    with open(os.path.join(FOLDER, f"{args.kind}.log"), "w", encoding="utf-8") as log:
        for scenario in args.scenario or SCENARIOS:
            make(place, scenario, log)


if __name__ == "__main__":
    main()
