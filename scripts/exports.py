#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the names that libtern exports from the public headers.

    exports.py [--map FILE] [--list FILE] HEADER...

A name is exported if a header declares it at file level: a function that is not `static`, or an
`extern` object. --map writes a linker version script, --list one name a line (for objcopy); without
either the list is printed.
"""
import argparse
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def strip(text):
    """The declarations alone: no comments, strings, preprocessor lines or C++ guards."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", " ", text)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"#\s*ifdef\s+__cplusplus.*?#\s*endif", " ", text, flags=re.S)
    text = re.sub(r"^[ \t]*#.*$", " ", text, flags=re.M)
    return re.sub(r'"(\\.|[^"\\])*"', '""', text)


def top_level(text):
    """Splits into file-level statements; what stands in braces is dropped."""
    statements, current, depth = [], [], 0
    for char in text:
        if char == "{":
            depth += 1
            if depth == 1:
                current.append("{}")
        elif char == "}":
            depth -= 1
            # a function body ends its statement; a type's body goes on to a ';'
            if depth == 0 and re.search(r"\)\s*\{\}$", "".join(current)):
                statements.append("".join(current))
                current = []
        elif depth == 0:
            if char == ";":
                statements.append("".join(current))
                current = []
            else:
                current.append(char)
    return [" ".join(s.split()) for s in statements if s.strip()]


def exported(statement):
    if re.match(r"(typedef|static|_Static_assert|inline)\b", statement):
        return None
    plain = re.sub(r"__attribute__\s*\(\(.*?\)\)", " ", statement)
    call = re.search(r"\b(tern_\w+)\s*\(", plain)
    if call:
        return call.group(1)
    if plain.startswith("extern"):
        name = re.search(r"\b(tern_\w+)\s*(\[[^\]]*\])*$", plain)
        if name:
            return name.group(1)
    return None


def names(headers):
    """{name: header} over the given header files."""
    found = {}
    for header in headers:
        with open(os.path.join(ROOT, header), encoding="utf-8") as file:
            for statement in top_level(strip(file.read())):
                name = exported(statement)
                if name:
                    found[name] = header
    return found


def write_if_changed(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                os.utime(path)
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--map")
    parser.add_argument("--list")
    parser.add_argument("headers", nargs="*")
    args = parser.parse_args()
    found = sorted(names(args.headers))
    if args.map:
        globals_ = "".join(f"    {name};\n" for name in found)
        head = "  global:\n" + globals_ if found else ""
        write_if_changed(args.map, "TERN_0 {\n" + head + "  local:\n    *;\n};\n")
    if args.list:
        # objcopy takes an empty list for "keep all"; one name that is nowhere keeps none
        write_if_changed(args.list, "".join(f"{name}\n" for name in found) or "tern_none\n")
    if not args.map and not args.list:
        print("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
