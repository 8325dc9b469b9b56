#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The licence line, no unfinished marks, and nothing that only one machine knows."""
import re

import tree

CODE = (".c", ".h", ".def", ".py", ".sh", ".cmake", ".in")
# Hosts are spelled so that this file does not match itself.
DOT = r"\."
HOSTS = "|".join((
    "deb" + DOT + "debian", "archive" + DOT + "ubuntu", "crates" + DOT + "io/", "static" + DOT + "crates",
    "pypi" + DOT + "org", "registry" + DOT + "npmjs", "proxy" + DOT + "golang", "repo1" + DOT + "maven",
    "snapshot" + DOT + "debian"))
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
MACHINE = re.compile(r"(?<![\w.$}])/(wo" r"rk|ro" r"ot)/|\.\./sha" r"red|\.lib" r"rary\b|" + HOSTS)
PEOPLE = re.compile(r"\b(this ses" r"sion of|sub" r"agent|hel" r"per session|lan" r"guage model)\b", re.I)
DATA = ("test/corpus/", "test/vectors/")


def check(path):
    if path.startswith(DATA):
        return []
    text = tree.read(path)
    if "\0" in text:
        return []
    problems = []
    if path.endswith(CODE) and "SPDX-License-Identifier: MIT" not in "\n".join(text.split("\n")[:3]):
        if not path.endswith(".pc.in"):
            problems.append(f"{path}:1: no SPDX line")
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, why in ((UNFINISHED, "unfinished by its own word"), (MACHINE, "names a machine's path or a host"),
                             (PEOPLE, "speaks of how it was made")):
            if pattern is MACHINE and path == ".ci/run":
                continue
            match = pattern.search(line)
            if match:
                problems.append(f"{path}:{number}: {match.group(0).strip()}: {why}")
        if line != line.rstrip() and path.endswith(CODE):
            problems.append(f"{path}:{number}: trailing space")
    if text and not text.endswith("\n") and path.endswith(CODE):
        problems.append(f"{path}: no newline at its end")
    return problems


def main():
    files = tree.all_files()
    problems = [problem for path in files for problem in check(path)]
    tree.finish("words", problems, f"{len(files)} files")


main()
