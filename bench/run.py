#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures: tern beside the raw limit of the machine and beside the QUIC stacks of other people.

    bench/run.py [--quick] [--rounds N] [--row NAME]... [--only STACK]... [--write]

A round of a row measures the limit and each stack once, one after the other, server and client on a core
each; the rounds follow each other, and medians are taken. Results of all rows are kept in
build/bench/results.json; --write makes docs/performance.md and its plot from them.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time

import machine
import report
import rows
import stacks

FOLDER = os.path.join(stacks.ROOT, "build", "bench")
RESULTS = os.path.join(FOLDER, "results.json")
LIMIT_OF = {"download": "gso", "upload": "gso", "streams": "gso", "plain": "plain"}


def measure_limit(row, quick):
    """What the row is compared with: goodput and CPU, or round trips."""
    if row.name in LIMIT_OF:
        figures = rows.limit(LIMIT_OF[row.name], 0.7 if quick else 2)
        if row.name == "upload":
            figures["server"], figures["client"] = figures["client"], figures["server"]
        return figures
    if row.name == "latency":
        return rows.echo(0.5 if quick else 2)
    return None


def run_round(row, entrants, results, quick):
    """Everyone once. Who fails is out, and the reason is kept."""
    limit = measure_limit(row, quick)
    if limit:
        results.setdefault("limit", []).append(limit)
    for stack in list(entrants):
        with open(os.path.join(FOLDER, "log", f"{row.name}-{stack.name}.log".replace(", ", "-")), "a",
                  encoding="utf-8") as log:
            try:
                results.setdefault(stack.name, []).append(row.measure(stack, log))
            except (rows.Failed, OSError) as error:
                entrants.remove(stack)
                results[stack.name] = {"failed": str(error)}


def run_row(row, entrants, rounds, quick):
    """All rounds of a row: {stack: [figures]}"""
    results = {}
    started = time.monotonic()
    for _ in range(rounds):
        run_round(row, entrants, results, quick)
    print(f"\n{row.title} ({rounds} rounds, {time.monotonic() - started:.0f} s)")
    for name, runs in results.items():
        if isinstance(runs, dict):
            print(f"  {name:12} failed: {runs['failed']}")
            continue
        cells = (f"{key} {statistics.median(run[key] for run in runs):.3f}" for key in runs[0])
        print(f"  {name:12} {', '.join(cells)}", flush=True)
    return results


def share_of_core(results):
    """The limit's sender never waits: what it did not get of its core went to somebody else."""
    runs = results.get("limit")
    if not runs or "goodput" not in runs[0]:
        return 1.0
    return statistics.median(run["goodput"] * 1e9 / 8 / machine.GIB * max(run["server"], run["client"])
                             for run in runs)


def choose(args, row, everyone):
    """Who takes part in a row."""
    chosen = []
    for stack in everyone:
        fits = stack.rows is None or row.name in stack.rows
        # the knobs that the row turns are tern's own
        fits = fits and (not row.knobs or stack.name.startswith("tern"))
        if fits and (not args.only or stack.name in args.only):
            chosen.append(stack)
    return chosen


def count_allocations():
    """Calls of the allocator per packet in a steady transfer, both sides."""
    program = os.path.join(rows.BUILD, "bench", "packets")
    found = re.search(r"sent (\d+) received \d+ allocations (\d+)",
                      machine.Run([program, "download", "20000"]).output)
    return int(found[2]) / int(found[1])


def summary(results, allocations):
    """The one line of bench-quick."""
    def median(name, key):
        return statistics.median(run[key] for run in results["download"][name])

    ratio = {key: median("tern", key) / median("limit", key) for key in ("goodput", "server", "client")}
    return (f"bulk/limit {ratio['goodput']:.2f}, cpu/limit send {ratio['server']:.2f} "
            f"receive {ratio['client']:.2f}, allocations per packet {allocations:.3f}")


def load_results():
    """What earlier runs have left."""
    if os.path.exists(RESULTS):
        with open(RESULTS, encoding="utf-8") as file:
            return json.load(file)
    return {}


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tern and the limit only, smaller bodies")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--row", action="append", help="only this row; may be repeated")
    parser.add_argument("--only", action="append", help="only this stack; may be repeated")
    parser.add_argument("--write", action="store_true", help="docs/performance.md from the results")
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    if args.quick:
        args.only = args.only or ["tern"]
    return args


def main():
    """Rows, then the report."""
    args = parse()
    os.makedirs(os.path.join(FOLDER, "log"), exist_ok=True)
    place = stacks.Place(FOLDER)
    everyone = []
    results = load_results()
    results["skipped"] = {}
    for stack in stacks.everyone(place):
        why = stack.missing()
        if why is None:
            everyone.append(stack)
        else:
            results["skipped"][stack.name] = why
            if not args.only:
                print(f"skipped: {stack.name}: {why}")
    if not args.quick:
        results["versions"] = {stack.name: stack.version() for stack in everyone}
    chosen = [row for row in rows.rows(args.quick) if not args.row or row.name in args.row]
    for row in chosen:
        results[row.name] = run_row(row, choose(args, row, everyone), args.rounds, args.quick)
        share = results.setdefault("share", {})[row.name] = round(share_of_core(results[row.name]), 2)
        if share < 0.9:
            print(f"  the limit got {share:.0%} of a core: the machine is not quiet, goodput says little")
        if isinstance(results[row.name].get("tern"), dict):
            sys.exit(f"bench: tern: {results[row.name]['tern']['failed']}")
    results["allocations"] = count_allocations()
    if not args.quick:
        results["machine"], results["rounds"] = machine.describe(), args.rounds
        with open(RESULTS, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    if args.write:
        report.write(results, stacks.ROOT)
    if any(row.name == "download" for row in chosen):
        print(f"\n{summary(results, results['allocations'])}")


if __name__ == "__main__":
    main()
