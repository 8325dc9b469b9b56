#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which requirements of the RFCs the code cites and no test cites. A report: it never fails.

    check_requirements.py [--all]       --all lists each section, else only those without a test

A citation is [rfc9000-13.2.1] with any text after it; drafts are cited as [bbr-4.1] and the like.
"""
import collections
import re
import sys

import tree

CITATION = re.compile(r"\[((?:rfc\d{4,5}|bbr|draft-[a-z0-9-]+?)-(?:[0-9A-Z]+(?:\.[0-9]+)*))\]")


def cited(folders):
    found = collections.defaultdict(list)
    for path in tree.c_files(folders, (".c", ".h", ".def")):
        text = tree.read(path)
        for match in CITATION.finditer(text):
            found[match.group(1)].append(f"{path}:{tree.line_of(text, match.start())}")
    return found


def order(citation):
    document, section = citation.rsplit("-", 1)
    return document, [int(p) if p.isdigit() else ord(p[0]) for p in section.split(".")]


def main():
    code, tests = cited(("include", "src", "tools")), cited(("test", "fuzz"))
    untested = [c for c in code if c not in tests]
    documents = collections.Counter(c.rsplit("-", 1)[0] for c in code)
    for document in sorted(documents):
        mine = [c for c in code if c.rsplit("-", 1)[0] == document]
        done = sum(c in tests for c in mine)
        print(f"{document}: {len(mine)} sections cited in the code, {done} of them in tests")
    for citation in sorted(code if "--all" in sys.argv else untested, key=order):
        if "-v" in sys.argv or "--all" in sys.argv:
            print(f"  {citation} {'tested' if citation in tests else 'no test'}: {code[citation][0]}")
    print(f"requirements: {len(code)} sections cited, {len(code) - len(untested)} with a test, {len(untested)} without")


main()
