#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Includes go one way; the system, the heap and the TLS library are touched only in their places."""
import re

import tree

# The only files of transport/ that know struct tern_conn. Everything else there is a part.
SPINE = {
    "endpoint", "stranger", "conn", "recv", "on_frame", "on_ack", "send", "bulk", "packer", "close", "settle", "api",
    "retry", "version", "early", "migrate", "probe", "producers"
}
CONN_HEADER = "transport/conn.h"
# `tern sim` pretends TLS and `tern link` has sockets of its own; nothing else of these is for the tools
TOOL_HEADERS = {"tls/tls_sim.h", "io/sockaddr.h"}

# folder of src/ -> folders of src/ whose headers it may include
MAY = {
    "base": {"base"},
    "event": {"base", "event"},
    "wire": {"base", "event", "wire"},
    "qlog": {"base", "event", "wire", "qlog"},
    "crypto": {"base", "event", "wire", "crypto"},
    "tls": {"base", "event", "wire", "crypto", "tls"},
    "recovery": {"base", "event", "wire", "crypto", "tls", "recovery"},
    "transport": {"base", "event", "wire", "crypto", "tls", "recovery", "transport"},
    "h3": {"base", "event", "wire", "h3"},
    "io": {"base", "io"},
    "sim": {"base", "sim"},
    "tools": {"base", "sim", "tools"},
    "examples": set(),
}
SANS_IO = {"base", "event", "wire", "qlog", "crypto", "tls", "recovery", "transport", "h3", "sim"}
SYSTEM = re.compile(
    r"(sys/(?!types\.h)|netinet/|arpa/|net/|netdb\.h|unistd\.h|time\.h|fcntl\.h|poll\.h|pthread\.h"
    r"|signal\.h|linux/)")
HEAP = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign|asprintf)\s*\(")
CLOCK = re.compile(r"(?<![\w.>])(clock_gettime|gettimeofday|time|getrandom|getentropy|rand|random|arc4random)\s*\(")
CONDITIONAL = {"io", "crypto", "tls", "base"}


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" else parts[0]


def spine(path):
    """A spine file, by its stem or as a second file of one: send.c, send_close.c."""
    stem = path.rsplit("/", 1)[1].rsplit(".", 1)[0]
    return any(stem == name or stem.startswith(name + "_") for name in SPINE)


def check_include(path, folder, form, name):
    if form == "<":
        if name.startswith("tern/"):
            return "h3 is not below transport" if folder in MAY and folder == "transport" and name == "tern/h3.h" else None
        # tools/sha256.c is the one place of the tools that asks the TLS library for a digest
        if name.startswith("openssl/") and folder in MAY and folder not in ("crypto", "tls") and path != "tools/sha256.c":
            return "only crypto and tls may include the TLS library"
        if folder in SANS_IO and SYSTEM.match(name):
            return "the core is sans-IO: no system headers"
        if folder == "include" and SYSTEM.match(name):
            return "a public header uses the C library's plain headers only"
        return None
    if folder == "include":
        return "a public header includes public headers only, as <tern/...>"
    if folder not in MAY:
        return None
    target = name.split("/")[0] if "/" in name else folder
    if folder not in ("tools", "examples") and "/" not in name and not name.endswith(".def"):
        return 'write the path from src/, as in "base/cursor.h"'
    if folder == "tools" and name in TOOL_HEADERS:
        return None
    if target not in MAY[folder]:
        return f"{folder} may not include {target}"
    if name == CONN_HEADER and not spine(path):
        return "only the spine knows the connection"
    return None


def check_file(path):
    folder = folder_of(path)
    text = tree.code(path)
    problems = []

    def say(offset, why):
        problems.append(f"{path}:{tree.line_of(text, offset)}: {why}")

    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', text, re.M):
        why = check_include(path, folder, match.group(1), match.group(2))
        if why:
            say(match.start(), f"{match.group(2)}: {why}")
    in_core = path.startswith("src/")
    if in_core and not path.startswith("src/base/alloc"):
        for match in HEAP.finditer(text):
            say(match.start(), f"{match.group(1)}: memory comes from struct tern_alloc")
    if folder in SANS_IO:
        for match in CLOCK.finditer(text):
            say(match.start(), f"{match.group(1)}: the core has no clock and no entropy of its own")
    if in_core and folder not in CONDITIONAL and not path.endswith(".def"):
        for match in re.finditer(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\b[ \t]*(.*)$", text, re.M):
            if not re.search(r"_H\s*$|__cplusplus", match.group(2)):
                say(match.start(), "#if stands only in io, crypto, tls and base")
    return problems


def main():
    files = tree.c_files(("include", "src", "tools", "examples"))
    problems = [problem for path in files for problem in check_file(path)]
    tree.finish("includes", problems, f"{len(files)} files, all one way")


main()
