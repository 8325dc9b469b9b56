#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libtern exports what include/tern declares: no more, and nothing declared is missing.

    check_exports.py BUILD       the build folder with libtern.so and libtern.a
"""
import subprocess
import sys

import exports
import tree


def defined(path, *options):
    out = subprocess.run(["nm", *options, "--defined-only", path], check=True, capture_output=True, text=True).stdout
    names = set()
    for line in out.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[1] in "TDBRVWGSu" and parts[1] != "A":
            names.add(parts[2].split("@")[0])
    return names


def main():
    build = sys.argv[1]
    headers = tree.c_files(("include",), (".h",))
    declared = exports.names(headers)
    problems = []
    for library, options in (("libtern.so", ("-D",)), ("libtern.a", ("-g",))):
        there = defined(f"{build}/{library}", *options)
        problems += [f"{library}: {name}, declared in {declared[name]}, is not defined"
                     for name in sorted(set(declared) - there)]
        problems += [f"{library}: {name} is exported but no public header declares it"
                     for name in sorted(there - set(declared))]
    tree.finish("exports", problems, f"{len(declared)} names in libtern.so and libtern.a, as declared")


main()
