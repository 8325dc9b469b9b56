#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per packet and per request, counted by callgrind over an exchange without sockets.

    scripts/check_instructions.py                 against bench/instructions.txt: fails above +2 %
    scripts/check_instructions.py --write         records what it counts
    scripts/check_instructions.py --functions     and where they are spent
    scripts/check_instructions.py --build DIR     of another build, which is shown and not judged

The TLS library (AEAD, header protection's block cipher) is left out: its code carries no debug
information and takes other instructions on other processors. So is the copy that stands for the
kernel. A count belongs to one compiler and build type; with another one, or without valgrind, the figures
are only shown. A share of the acknowledgements, timers and the application's own work is part of each.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORD = os.path.join(ROOT, "bench", "instructions.txt")
HEAD = """# Instructions, counted by callgrind: scripts/check_instructions.py --write (make instructions).
# `make check` fails when one rises by more than 2 %.
"""
# name -> scenario, its size, whose turn is counted, what the program's line calls the divisor
COUNTS = {
    "packet sent": ("download", 4000, "server_turn", "sent"),
    "packet received": ("download", 4000, "client_turn", "received"),
    "request served": ("requests", 1000, "server_turn", "requests"),
    "request made": ("requests", 1000, "client_turn", "requests"),
}
RISE = 1.02
LEFT_OUT = "kernel_copy"


class Profile:
    """callgrind's output: self cost by function, without what is left out."""

    def __init__(self, path):
        self.names = {"fl": {}, "fn": {}, "ob": {}}
        self.cost = Counter()
        self.read(path)

    def name(self, kind, text):
        """Undoes the name compression: "(12) text" defines, "(12)" refers."""
        found = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if not found:
            return text
        if found[2] is not None:
            self.names[kind][found[1]] = found[2]
        return self.names[kind].get(found[1], "?")

    def read(self, path):
        """Adds up the cost lines of each function."""
        file = obj = function = own = ""
        skip = False
        kinds = {"fl": "fl", "fi": "fl", "fe": "fl", "cfi": "fl", "cfl": "fl", "fn": "fn", "cfn": "fn",
                 "ob": "ob", "cob": "ob"}
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found = re.match(r"(\w+)=(.*)$", line)
                if found and found[1] in kinds:
                    text = self.name(kinds[found[1]], found[2].strip())
                    file = text if found[1] == "fl" else file
                    obj = text if found[1] == "ob" else obj
                    if found[1] == "fn":
                        function, own = text, file
                elif found:
                    skip = found[1] == "calls"
                elif re.match(r"[+\-*\d]", line):
                    if not skip and self.counts(own, obj, function):
                        self.cost[function] += int(line.split()[1])
                    skip = False

    @staticmethod
    def counts(file, obj, function):
        """Whether a function is ours or the C library's."""
        is_tls = file == "???" and "libc" not in os.path.basename(obj)
        return not is_tls and not function.startswith(LEFT_OUT)


def count(program, folder, name):
    """(instructions each, {function: instructions each})"""
    scenario, size, toggle, unit = COUNTS[name]
    out = os.path.join(folder, f"callgrind.{name.replace(' ', '-')}")
    command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
               f"--toggle-collect={toggle}*", program, scenario, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(rf"{unit} (\d+)", done.stdout)
    if done.returncode != 0 or not found:
        sys.exit(f"instructions: {' '.join(command)}\n{done.stdout}{done.stderr}")
    cost = Profile(out).cost
    return sum(cost.values()) / int(found[1]), {fn: value / int(found[1]) for fn, value in cost.items()}


def key_of(build):
    """Compiler, build type and processor family: what a count belongs to."""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", file.read(), re.M)[1]
    for folder, _, files in os.walk(os.path.join(build, "CMakeFiles")):
        if "CMakeCCompiler.cmake" in files:
            with open(os.path.join(folder, "CMakeCCompiler.cmake"), encoding="utf-8") as file:
                text = file.read()
            name = re.search(r'CMAKE_C_COMPILER_ID "(\w+)"', text)[1]
            version = re.search(r'CMAKE_C_COMPILER_VERSION "([\d.]+)"', text)[1]
            return f"{name} {version} {kind} {os.uname().machine}"
    return f"unknown {kind}"


def read_record():
    """(key, {name: instructions})"""
    key, values = "", {}
    if os.path.exists(RECORD):
        with open(RECORD, encoding="utf-8") as file:
            for line in file:
                name, _, value = line.strip().rpartition(": ")
                if name == "compiler":
                    key = value
                elif not line.startswith("#") and name:
                    values[name] = float(value)
    return key, values


def judge(values, recorded):
    """Names what rose by more than RISE."""
    risen = [name for name, value in values.items() if value > recorded.get(name, value) * RISE]
    for name in risen:
        print(f"{name}: {values[name]:.0f} instructions, {recorded[name]:.0f} are recorded: more than 2 % "
              "up. Where: scripts/check_instructions.py --functions; if it must be: --write")
    return not risen


def main():
    """Counts, then records, shows or judges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--functions", action="store_true")
    args = parser.parse_args()
    program = os.path.join(args.build, "bench", "packets")
    if not shutil.which("valgrind"):
        print("not counted: no valgrind")
        return
    if not os.access(program, os.X_OK):
        sys.exit(f"instructions: no {program}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {name: pool.submit(count, program, args.build, name) for name in COUNTS}
    counts = {name: job.result() for name, job in jobs.items()}
    values = {name: value for name, (value, _) in counts.items()}
    if args.functions:
        for name, (value, functions) in counts.items():
            print(f"\n{name}: {value:.1f}")
            for function, cost in sorted(functions.items(), key=lambda item: -item[1])[:40]:
                print(f"  {cost:8.1f}  {function}")
    key, (old_key, recorded) = key_of(args.build), read_record()
    summary = ", ".join(f"{name} {value:.0f}" for name, value in values.items())
    if args.write:
        with open(RECORD, "w", encoding="utf-8") as file:
            file.write(f"{HEAD}compiler: {key}\n")
            file.writelines(f"{name}: {value:.1f}\n" for name, value in values.items())
    elif key != old_key:
        summary += f" ({key}; recorded are those of {old_key or 'nothing'}: not judged)"
    elif not judge(values, recorded):
        sys.exit(1)
    print(summary)


if __name__ == "__main__":
    main()
