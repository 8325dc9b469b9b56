#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks qlog files (JSON text sequences, RFC 7464) against the CDDL of the qlog drafts.

    scripts/check_qlog.py [--want NAME,..] FILE..    exit 1 and say what is wrong; 77 without $TERN_SPEC
    scripts/check_qlog.py --count FILE..             and how often each event is there

Of CDDL (RFC 8610) it knows what the drafts use: maps and arrays with occurrence, choices, sockets,
.size and .regexp. It is stricter than CDDL: an event's data must be of the one type that its name says,
and sockets nobody fills ($$x-extension) let nothing in."""

import argparse
import json
import os
import pathlib
import re
import sys

TOKEN = re.compile(
    r'\s+|;[^\n]*|(?P<op>//=|/=|=>|[=/{}\[\]():,?*+~])|(?P<text>"[^"]*")|(?P<occur>\d+\*\d*)|(?P<num>\d+)'
    r'|(?P<ctl>\.[a-z]+)|(?P<name>[A-Za-z_$@][\w$@.-]*)')
PRELUDE = {"text": str, "bool": bool}
NAMESPACES = {"quic": "QUIC", "http3": "HTTP3", "http": "HTTP", "loglevel": "LogLevel", "simulation": "Simulation"}


class Wrong(Exception):
    pass


def tokens(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise SystemExit(f"CDDL: cannot read {text[at:at + 30]!r}")
        at = match.end()
        if match.lastgroup:
            found.append(match.group())
    return found


class Schema:
    """rules: name -> list of alternatives; an alternative is a parsed type."""

    def __init__(self, text):
        self.rules, self.left = {}, tokens(text)
        while self.left:
            name, sign = self.left.pop(0), self.left.pop(0)
            if sign not in ("=", "/="):
                raise SystemExit(f"CDDL: {name} {sign}?")
            self.rules.setdefault(name, []).extend(self.choice())

    def peek(self, ahead=0):
        return self.left[ahead] if len(self.left) > ahead else ""

    def choice(self):
        found = [self.type()]
        while self.peek() == "/":
            self.left.pop(0)
            found.append(self.type())
        return found

    def type(self):
        token = self.left.pop(0)
        if token == "{":
            base = ("map", self.group("}"))
        elif token == "[":
            base = ("array", self.group("]"))
        elif token.startswith('"'):
            base = ("literal", token[1:-1])
        else:
            base = ("name", token)
        while self.peek().startswith("."):
            control, value = self.left.pop(0), self.left.pop(0)
            if control == ".size":
                base = ("size", base, int(value))
            elif control == ".regexp":
                base = ("regexp", value[1:-1])
        return base

    def group(self, end):
        entries = []
        while self.peek() != end:
            occur, key = "1", None
            if self.peek() in ("?", "*", "+") or re.fullmatch(r"\d+\*\d*", self.peek()):
                occur = self.left.pop(0)
            spread = self.peek() == "~"
            if spread:
                self.left.pop(0)
            if self.peek(1) in (":", "=>"):
                key = self.left.pop(0)
                self.left.pop(0)
            entries.append(("spread" if spread else occur, key, self.choice()))
            if self.peek() == ",":
                self.left.pop(0)
        self.left.pop(0)
        return entries

    def members(self, entries):
        for occur, key, types in entries:
            if occur == "spread":
                (kind, inner), = self.rules[types[0][1]]
                yield from self.members(inner)
            else:
                yield occur, key, types

    def check_any(self, value, types, where):
        faults = []
        for kind in types:
            try:
                return self.check(value, kind, where)
            except Wrong as wrong:
                faults.append(str(wrong))
        # The deepest fault is of the alternative that was meant.
        raise Wrong(max(faults, key=lambda fault: (fault.split(":")[0].count("."), len(fault))))

    def check(self, value, kind, where):
        test = getattr(self, "is_" + kind[0])
        test(value, kind, where)

    def is_literal(self, value, kind, where):
        if value != kind[1]:
            raise Wrong(f"{where}: {value!r} is not {kind[1]!r}")

    def is_size(self, value, kind, where):
        self.check(value, kind[1], where)
        if isinstance(value, int) and value >= 1 << 8 * kind[2]:
            raise Wrong(f"{where}: {value} needs more than {kind[2]} bytes")

    def is_regexp(self, value, kind, where):
        if not isinstance(value, str) or re.fullmatch(kind[1], value) is None:
            raise Wrong(f"{where}: {value!r} does not match {kind[1]}")

    def is_name(self, value, kind, where):
        name = kind[1]
        if name == "any":
            return
        if name in ("float32", "float64"):
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        elif name == "uint":
            good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        elif name in PRELUDE:
            good = isinstance(value, PRELUDE[name])
        else:
            return self.check_any(value, self.rules[name], where)
        if not good:
            raise Wrong(f"{where}: {value!r} is no {name}")

    def is_map(self, value, kind, where):
        if not isinstance(value, dict):
            raise Wrong(f"{where}: {value!r} is no object")
        left = dict(value)
        for occur, key, types in self.members(kind[1]):
            if key is None:  # a socket for extensions
                continue
            if key == "text":
                for name in list(left):
                    self.check_any(left.pop(name), types, f"{where}.{name}")
            elif key in left:
                self.check_any(left.pop(key), types, f"{where}.{key}")
            elif occur == "1":
                raise Wrong(f"{where}: wants {key}")
        if left:
            raise Wrong(f"{where}: {', '.join(left)}: not in the schema")

    def is_array(self, value, kind, where):
        (occur, _, types), = kind[1]
        least, most = {"*": (0, None), "+": (1, None)}.get(occur) or [int(n) for n in occur.split("*")]
        if not isinstance(value, list) or len(value) < least or (most and len(value) > most):
            raise Wrong(f"{where}: {value!r} is no array of {occur}")
        for index, element in enumerate(value):
            self.check_any(element, types, f"{where}.{index}")


def event_types(schema):
    """"quic:packet_sent" -> "QUICPacketSent", from the names of the rules that are event data."""
    found = {}

    def walk(name):
        for kind in schema.rules[name]:
            if kind[0] == "map":
                found[name.lower()] = name
            elif kind[0] == "name":
                walk(kind[1])

    walk("$ProtocolEventData")
    return found


def read_sequence(path):
    data = path.read_bytes()
    texts = data.split(b"\x1e")
    if texts[0]:
        raise Wrong("does not begin with a record separator")
    for number, text in enumerate(texts[1:], 1):
        if not text.endswith(b"\n"):
            raise Wrong(f"record {number}: no newline at its end")
        try:
            yield number, json.loads(text.decode("utf-8"))
        except ValueError as error:
            raise Wrong(f"record {number}: {error}")


def check_file(schema, types, path, counts):
    for number, record in read_sequence(path):
        where = f"record {number}"
        if number == 1:
            schema.check(record, ("name", "QlogFileSeq"), where)
            spaces = {uri.rsplit(":", 1)[1] for uri in record["trace"]["event_schemas"]}
            continue
        space, _, name = record.get("name", "").partition(":")
        kind = types.get((NAMESPACES.get(space, "?") + name.replace("_", "")).lower())
        if kind is None or space not in spaces:
            raise Wrong(f"{where}: event {record.get('name')!r} is not in the trace's schemas")
        schema.check(record, ("name", "Event"), where + " " + record["name"])
        schema.check(record["data"], ("name", kind), where + " " + record["name"])
        counts[record["name"]] = counts.get(record["name"], 0) + 1


def load():
    folder = os.environ.get("TERN_SPEC", "")
    folder = pathlib.Path(folder) / "drafts" / "qlog"
    if not (folder / "qlog-main-schema.cddl").exists():
        print("TERN_SPEC has no qlog drafts: not checked", file=sys.stderr)
        sys.exit(77)
    parts = ("main-schema", "quic-events", "h3-events")
    text = "\n".join((folder / f"qlog-{part}.cddl").read_text() for part in parts)
    # Illustrations of how to extend: not part of the schema.
    text = "\n\n".join(block for block in text.split("\n\n") if "..." not in block)
    return Schema(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--want", default="", help="events that must be there, joined by commas")
    parser.add_argument("--count", action="store_true", help="show how often each event is there")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    schema, counts, failed = load(), {}, False
    types = event_types(schema)
    for path in args.files:
        try:
            check_file(schema, types, path, counts)
        except Wrong as wrong:
            print(f"{path}: {wrong}", file=sys.stderr)
            failed = True
    for name in filter(None, args.want.split(",")):
        if name not in counts:
            print(f"{name}: not in any file", file=sys.stderr)
            failed = True
    if args.count:
        for name, count in sorted(counts.items()):
            print(f"{count:7} {name}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
