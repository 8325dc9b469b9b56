#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tern against every peer in both roles and prints a matrix.

    interop/run.sh [--full] [--only PEER]... [--case CASE]... [--role client|server]

The last line is `N passed, N failed, N skipped`; the exit code is 1 on a failure.
"""

import argparse
import fcntl
import os
import sys
import time

import browser
import cases
import peers
from place import Place

WIDTH = 13
# For all cases together, so that a peer that hangs in every case cannot hang the caller.
BUDGET_SECONDS, FULL_BUDGET_SECONDS = 360, 7200


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(prog="interop/run.sh")
    parser.add_argument("--full", action="store_true", help="bodies of 1 GiB")
    parser.add_argument("--only", action="append", metavar="PEER", help="this peer (repeatable)")
    parser.add_argument("--case", action="append", choices=cases.NAMES, help="this case")
    parser.add_argument("--role", choices=("client", "server"), help="tern's role")
    parser.add_argument("--qlog", action="store_true", help="peers that can write qlog")
    # For the harness itself: another peer in tern's place, or another build of tern.
    parser.add_argument("--as-tern", metavar="PEER", help=argparse.SUPPRESS)
    parser.add_argument("--tern", metavar="PROGRAM", help=argparse.SUPPRESS)
    return parser.parse_args()


class Matrix:
    """Results as they come, a line per peer and role."""

    def __init__(self, names, budget):
        self.names = names
        self.end = time.monotonic() + budget
        self.passed = 0
        self.failed, self.skipped, self.repeated = [], [], []

    def head(self, title):
        """The heading of one role."""
        print(f"\n{title:34}" + "".join(f"{name:{WIDTH}}" for name in self.names), flush=True)

    def begin(self, peer):
        """The first column."""
        version = peer.version() if peer.missing() is None else ""
        print(f"  {peer.name + ' ' + version:32}", end="", flush=True)

    def cell(self, text):
        """One result."""
        print(f"{text:{WIDTH}}", end="", flush=True)

    def skip(self, peer, role, reason):
        """A whole row that cannot run."""
        for name in self.names:
            self.cell("skip")
            self.skipped.append(f"{peer.name} as {role}, {name}: {reason}")
        print()

    def try_once(self, case, name):
        """None, or what went wrong."""
        try:
            if time.monotonic() > self.end:
                raise cases.Failed("not run, the time for all cases was up")
            case.run(name)
        # Whatever goes wrong in a case is that case's failure, and the others still run.
        except Exception as failure:  # pylint: disable=broad-exception-caught
            failure = failure if isinstance(failure, cases.Failed) else repr(failure)
            where = os.path.relpath(case.log.name) if case.log else "no log"
            return f"{case.client.name} to {case.server.name}, {name}: {failure}\n    {where}"
        return None

    def run(self, make_case, name):
        """One case. Two programs on a busy machine: what fails gets a second try, and is named."""
        start = time.monotonic()
        failure = self.try_once(make_case(), name)
        if failure is None:
            self.cell(f"ok {time.monotonic() - start:.1f} s")
        else:
            self.repeated.append(failure)
            start = time.monotonic()
            failure = self.try_once(make_case(), name)
            self.cell("FAIL" if failure else f"ok 2nd {time.monotonic() - start:.1f} s")
        if failure is None:
            self.passed += 1
        else:
            self.failed.append(failure)


def run_role(matrix, tern, rows, options, role):
    """All rows with tern in that role."""
    other = "client" if role == "server" else "server"
    rows = [peer for peer in rows if getattr(peer, f"is_{other}")]
    if not rows:
        return
    matrix.head(f"{tern.name} as {role}")
    for peer in rows:
        matrix.begin(peer)
        reason = peer.missing()
        if reason:
            matrix.skip(peer, other, reason)
            continue
        server, client = (tern, peer) if role == "server" else (peer, tern)
        for name in matrix.names:
            kind = browser.BrowserCase if client.name == "chromium" else cases.Case
            if kind(tern.place, server, client, options).applies(name):
                matrix.run(lambda kind=kind: kind(tern.place, server, client, options), name)
            else:
                matrix.cell("-")
        print()


def choose(everyone, options):
    """The peers of this run, and who plays tern."""
    place = everyone[0].place
    tern = peers.Tern(place, options.tern or os.path.join(place.root, "build", "tern"))
    by_name = {peer.name: peer for peer in everyone}
    if options.as_tern:
        tern = by_name[options.as_tern]
    unknown = set(options.only or ()) - set(by_name)
    if unknown:
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(by_name)}")
    return tern, [peer for peer in everyone if not options.only or peer.name in options.only]


def lock(out):
    """One run at a time in one tree: they share the folder with the served files."""
    os.makedirs(out, exist_ok=True)
    file = open(os.path.join(out, "run.lock"), "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("interop: waiting for another run in this tree", flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def main():
    """Runs it all."""
    options = parse()
    lacking = peers.find_openssl()
    if lacking:
        sys.exit(lacking)
    if options.qlog:
        os.environ["TERN_INTEROP_QLOG"] = "1"
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    out = os.path.join(root, "build", "interop")
    held = lock(out)
    place = Place(out)
    everyone = [*peers.everyone(place), browser.Chromium(place)]
    tern, rows = choose(everyone, options)
    if tern.missing():
        sys.exit(f"interop: {tern.missing()}")
    budget = FULL_BUDGET_SECONDS if options.full else BUDGET_SECONDS
    matrix = Matrix(options.case or cases.NAMES, budget)
    start = time.monotonic()
    for role in ("server", "client"):
        if options.role in (None, role):
            run_role(matrix, tern, rows, options, role)
    place.clean()
    print()
    for line in matrix.repeated:
        print("failed at the first try:", line)
    for line in matrix.failed:
        print("failed:", line)
    for line in matrix.skipped:
        print("skipped:", line)
    print(f"took {time.monotonic() - start:.0f} s, logs in {os.path.relpath(place.logs)}")
    print(f"{matrix.passed} passed, {len(matrix.failed)} failed, {len(matrix.skipped)} skipped")
    held.close()
    return 1 if matrix.failed else 0


if __name__ == "__main__":
    sys.exit(main())
