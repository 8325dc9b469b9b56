# SPDX-License-Identifier: MIT
"""perf's samples of two cores, each with its function, source file and the part of the work it is.

A sample in an inlined function counts for that function, found by the debug information; one in a
helper that has no home of its own (a cursor, a list, memcpy's wrapper) counts for its caller.
"""

import bisect
import os
import re
import subprocess
from collections import Counter, defaultdict

# a second: no multiple of any timer, and slow enough to disturb little
FREQUENCY = 1999

SYSTEM, AEAD, MASKS = "system calls", "AEAD", "header protection"
FRAMING, BOOKS, ACKS = "framing", "bookkeeping", "ACKs"
STREAMS, HTTP, LOOP, COPY, APP = "streams", "HTTP/3", "loop", "memcpy, memset", "application"
PARTS = (SYSTEM, AEAD, MASKS, FRAMING, STREAMS, ACKS, BOOKS, HTTP, LOOP, COPY, APP)

# the first that matches "file:function" says the part; order matters
RULES = [(re.compile(pattern), part) for pattern, part in (
    (r"crypto/(protect|provider)\w*\.c:.*mask", MASKS),
    (r"crypto/(protect|provider)\w*\.c:(first_byte|encrypt_block|ecb)", MASKS),
    (r"crypto/", AEAD),
    (r":.*(aes_hw_encrypt|aes_ecb|AES_encrypt|AES_ecb|aes_hw_ecb|EVP_Cipher|EVP_Encrypt|EVP_CIPHER)", MASKS),
    (r":.*(gcm|aead|GCM|AEAD|CRYPTO_|aes_hw_ctr|aes_ctr|ghash|cipher)", AEAD),
    (r":.*(_mem(cpy|move|set|cmp)|^mem(cpy|move|set|cmp))", COPY),
    (r"(recovery/acks|transport/on_ack|base/rangeset)\.c:", ACKS),
    (r"wire/.*:(.*_)?acks?(_|$)", ACKS),
    (r"transport/producers\.c:write_ack", ACKS),
    (r"(wire/|transport/(packer|producers|record|on_frame)\.c)", FRAMING),
    (r"transport/(stream|recv_piece|scheduler|api_stream|flow)\w*\.[ch]", STREAMS),
    (r"(transport/|recovery/|base/|event/)", BOOKS),
    (r"src/h3/", HTTP),
    (r"src/io/", LOOP),
    (r"(tools|bench|examples)/", APP),
)]
# names that say nothing by themselves: the caller counts
HOMELESS = re.compile(r"(/usr/|base/(cursor|list|container|alloc)\.|wire/varint\.h|<built-in>|\?\?|crtstuff)")


class Binary:
    """A program or library file: addresses to inlined call chains."""

    def __init__(self, path):
        self.path = path
        self.segments = []
        try:
            text = subprocess.check_output(("readelf", "-lW", path), text=True, stderr=subprocess.DEVNULL)
        except (subprocess.CalledProcessError, OSError):
            text = ""
        for line in text.splitlines():
            words = line.split()
            if words and words[0] == "LOAD":
                self.segments.append(tuple(int(word, 16) for word in (words[1], words[2], words[4])))

    def address(self, offset):
        """An offset in the file as the address that the symbols use."""
        for start, virtual, size in self.segments:
            if start <= offset < start + size:
                return offset - start + virtual
        return offset

    def chains(self, offsets):
        """offset -> [(function, file)], innermost first."""
        wanted = sorted({self.address(offset) for offset in offsets})
        text = "\n".join(hex(address) for address in wanted)
        out = subprocess.run(("addr2line", "-e", self.path, "-a", "-f", "-i"), input=text,
                             capture_output=True, text=True, check=False).stdout.splitlines()
        chains, at = defaultdict(list), None
        index = 0
        while index < len(out):
            if out[index].startswith("0x"):
                at = int(out[index], 16)
                index += 1
                continue
            name = out[index]
            file = out[index + 1].rsplit(":", 1)[0] if index + 1 < len(out) else "??"
            chains[at].append((name, file))
            index += 2
        return {offset: chains[self.address(offset)] for offset in offsets}


class Maps:
    """Which file lies where in a process, from perf's own record of mmap calls."""

    pattern = re.compile(r"PERF_RECORD_MMAP2? (\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ "
                         r"(?:0x)?([0-9a-f]+).*?\]: (\S+) (/.*)$")

    def __init__(self):
        self.of = defaultdict(list)

    def take(self, line):
        """One line of perf script; true if it was about a mapping."""
        found = self.pattern.search(line)
        if found and "x" in found[5]:
            start, size, offset = (int(found[i], 16) for i in (2, 3, 4))
            bisect.insort(self.of[int(found[1])], (start, size, offset, found[6].strip()))
        return "PERF_RECORD_" in line

    def find(self, pid, address):
        """(file, offset in it) or None."""
        maps = self.of.get(pid, ())
        index = bisect.bisect_right(maps, (address, 1 << 62, 0, "")) - 1
        if index >= 0 and maps[index][0] <= address < maps[index][0] + maps[index][1]:
            return maps[index][3], address - maps[index][0] + maps[index][2]
        return None


SAMPLE = re.compile(r"^\s*(.*?)\s+(\d+)(?:/\d+)?\s+\[(\d+)\]\s+([0-9a-f]+)\s+(.*?)\s+\((.*)\)$")


def record(path, cores):
    """The command that records those cores until it is interrupted."""
    return ["perf", "record", "-q", "-o", path, "-e", "cpu-clock", "-F", str(FREQUENCY), "-C",
            ",".join(str(core) for core in cores)]


def home_of(chain, symbol):
    """The (function, file) that a sample counts for."""
    for name, file in chain:
        if not HOMELESS.search(file):
            return name, file
    return (symbol, "")


def part_of(name, file):
    """The part of the work that a function is."""
    text = f"{file}:{name}"
    for pattern, part in RULES:
        if pattern.search(text):
            return part
    return BOOKS


class Samples:
    """Counts per core: by part, by (part, function)."""

    def __init__(self):
        self.parts = defaultdict(Counter)
        self.functions = defaultdict(Counter)

    def add(self, path):
        """Takes in what perf wrote to that file."""
        command = ("perf", "script", "-i", path, "--show-mmap-events", "-F", "comm,pid,cpu,ip,sym,dso")
        maps, found = Maps(), []
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for line in out.splitlines():
            if maps.take(line):
                continue
            match = SAMPLE.match(line)
            if match and int(match[2]) != 0:
                found.append((int(match[3]), int(match[2]), int(match[4], 16), match[5], match[6]))
        self.count(found, maps)

    def count(self, found, maps):
        """Sorts the samples into parts."""
        places, wanted = {}, defaultdict(set)
        for _, pid, address, _, _ in found:
            place = maps.find(pid, address)
            places[pid, address] = place
            if place:
                wanted[place[0]].add(place[1])
        chains = {path: Binary(path).chains(offsets) for path, offsets in wanted.items()
                  if os.path.exists(path)}
        for core, pid, address, symbol, dso in found:
            place = places[pid, address]
            if "kernel" in dso or dso.startswith("[") or place is None:
                part, name = SYSTEM, symbol
            else:
                chain = chains.get(place[0], {}).get(place[1], [])
                name, file = home_of(chain, symbol)
                part = part_of(name, file)
            self.parts[core][part] += 1
            self.functions[core][part, name] += 1

    def nanoseconds(self, core, packets):
        """part -> ns per packet of that core."""
        scale = 1e9 / FREQUENCY / packets
        return {part: count * scale for part, count in self.parts[core].items()}

    def top(self, core, packets, least_ns):
        """[(part, function, ns per packet)], most first."""
        scale = 1e9 / FREQUENCY / packets
        return [(part, name, count * scale) for (part, name), count in
                self.functions[core].most_common() if count * scale >= least_ns]
