#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The caps of include/tern/config.h: the table docs/caps.md, and the proof that each is guarded.

    scripts/check_caps.py            checks that docs/caps.md is what config.h says, and that every cap has
                                     a guarding test that exists
    scripts/check_caps.py --write    writes docs/caps.md
    scripts/check_caps.py --lift [NAME...]
                                     minutes: builds the guards in build/caps, and for each cap the same
                                     with it lifted: the guard must pass, then fail. Only files whose
                                     preprocessed text changes are compiled again.

A guard writes the cap's figure out instead of its name, so that it notices when the cap is another.
"""
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "include/tern/config.h"
TABLE = ROOT / "docs/caps.md"
BUILD = ROOT / "build/caps"
LIFTED = BUILD / "lifted"

# cap: (folder and module of the guard, its test function, the value to lift the cap to)
GUARDS = {
    "AMPLIFICATION": ("hostile/strangers", "test_P8_amplification", 1000),
    "CRYPTO_BUFFER_EARLY": ("hostile/handshake", "test_P5_crypto_early_bound", 12000),
    "CRYPTO_BUFFER": ("hostile/handshake", "test_P5_crypto_late_bound", 200000),
    "CRYPTO_TOTAL_EARLY": ("hostile/handshake", "test_P6_long_client_hello", 60000),
    "CRYPTO_TOTAL": ("hostile/handshake", "test_P6_endless_crypto", 1 << 30),
    "CLIENT_HELLO": ("hostile/handshake", "test_P2_unwanted_hello", 60000),
    "SENT_SPAN": ("hostile/acks", "test_T6_ack_only_packets", 1 << 30),
    "PACKETS_BEFORE_KEYS": ("hostile/strangers", "test_P13_packets_before_keys", 200),
    "PACKETS_BEFORE_KEYS_EARLY": ("transport/handshake", "test_data_before_finished", 8),
    "PACKETS_BEFORE_KEYS_EARLY": ("hostile/strangers", "test_P13_packets_before_keys_of_a_stranger", 200),
    "EARLY_REPLAYS": ("tls/resume", "test_early_replays_bound", 1 << 14),
    "TICKET": ("transport/resume", "test_ticket_bound", 1 << 18),
    "ACK_RANGES": ("hostile/floods", "test_T20_ack_ranges_bound", 400),
    "STREAM_GAPS": ("hostile/streams", "test_T8_gaps_bound", 4096),
    "PATH_RESPONSES": ("hostile/floods", "test_T1_path_challenges", 64),
    "ROUTES": ("hostile/caps", "test_routes", 16),
    "ACTIVE_CIDS": ("hostile/ids", "test_T2_active_ids_bound", 8),
    "RETIRING_CIDS": ("hostile/ids", "test_T2_retire_without_acks", 60),
    "GLITCH_BURST": ("hostile/floods", "test_T14_burst_bound", 1 << 20),
    "GLITCH_RATE": ("hostile/floods", "test_T14_rate_bound", 1 << 20),
    "H3_GLITCH_BURST": ("hostile/h3_caps", "test_glitch_burst", 1 << 20),
    "H3_GLITCH_RATE": ("hostile/h3_caps", "test_glitch_rate", 1 << 20),
    "FIELD_SECTION": ("hostile/h3_caps", "test_field_section", 1 << 20),
    "FIELD_NAME": ("hostile/h3_caps", "test_field_name", 4096),
    "FIELD_VALUE": ("hostile/h3_caps", "test_field_value", 1 << 20),
    "QPACK_BLOCKED_BYTES": ("hostile/h3_caps", "test_qpack_blocked_bytes", 1 << 30),
    "H3_SETTINGS": ("hostile/h3_caps", "test_h3_settings", 4096),
    "DATAGRAM_QUEUE": ("hostile/floods", "test_T26_datagram_queue_bound", 4096),
    "STREAMS_QUEUED": ("hostile/caps", "test_streams_queued", 1 << 20),
    "HALF_OPEN_BYTES": ("hostile/caps", "test_half_open_bytes", 1 << 40),
    "MAILBOX_BYTES": ("io/workers", "test_mailbox_bound", 1 << 20),
    "TOKENS_SEEN": ("hostile/admission", "test_P7_tokens_seen_bound", 65536),
    "CLOSED_IDS": ("transport/closed", "test_bound", 100000),
    "REPLIES": ("hostile/admission", "test_P2_reply_queue", 4096),
    "REPLY_BURST": ("transport/stateless", "test_reset_rate", 100000),
    "REPLY_RATE": ("transport/stateless", "test_reset_rate", 1000000),
    "REFLECT_RATE": ("hostile/admission", "test_P11_reflection_ports", 1000),
    "CONN_OVERHEAD": ("hostile/caps", "test_conn_overhead", 1 << 30),
}

DEFINE = re.compile(
    r"#ifndef (TERN_CAP_\w+)\n#define \1\s+(?:\\\n\s*)?(\S+)\s*/\*(.*?)\*/\s*\n#endif", re.S)


def caps():
    """(name without prefix, value, unit, outcome, source), in the order of config.h."""
    rows = []
    for name, value, comment in DEFINE.findall(CONFIG.read_text()):
        words = " ".join(comment.replace("\\\n", " ").split())
        parts = [part.strip() for part in words.split("|")]
        if len(parts) != 3:
            raise SystemExit(f"{name}: its comment is not 'unit | when reached | source'")
        rows.append((name.removeprefix("TERN_CAP_"), value, *parts))
    return rows


def thousands(value):
    return f"{int(value, 0):,}"


def table(rows):
    lines = [
        "# Caps",
        "",
        "Every bound on what a peer can make grow. Made by `scripts/check_caps.py --write` from",
        "`include/tern/config.h`: do not edit. `scripts/check_caps.py --lift` rebuilds each guarding test with",
        "its cap lifted, and shows that it then fails.",
        "",
        "| cap `TERN_CAP_` | value | of what | when it is reached | source | guard |",
        "|---|---:|---|---|---|---|",
    ]
    for name, value, unit, outcome, source in rows:
        module, test, _ = GUARDS.get(name, ("", "none", 0))
        guard = f"`test/{module.replace('/', '/test_')}.c` `{test}`" if module else test
        lines.append(f"| `{name}` | {thousands(value)} | {unit} | {outcome} | {source} | {guard} |")
    return "\n".join(lines) + "\n"


def source_of(module):
    folder, name = module.split("/")
    return ROOT / "test" / folder / f"test_{name}.c"


def problems_of(rows, text):
    problems = []
    for name, *_ in rows:
        if name not in GUARDS:
            problems.append(f"TERN_CAP_{name}: no guarding test")
            continue
        module, test, _ = GUARDS[name]
        path = source_of(module)
        if not path.exists() or f"({test})" not in path.read_text():
            problems.append(f"TERN_CAP_{name}: no {test} in {path.relative_to(ROOT)}")
    for name in GUARDS.keys() - {row[0] for row in rows}:
        problems.append(f"TERN_CAP_{name}: guarded, but not in config.h")
    if not TABLE.exists() or TABLE.read_text() != text:
        problems.append("docs/caps.md is not what config.h says: scripts/check_caps.py --write")
    return problems


def run(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=BUILD, check=False)


def must(command):
    result = run(command)
    if result.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout


class Plain:
    """The tests as they are, in build/caps, and how each of their files was compiled."""

    def __init__(self, targets):
        BUILD.mkdir(parents=True, exist_ok=True)
        must(["cmake", "-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja", "-DTERN_LIBS=OFF", "-DTERN_TOOLS=OFF",
              "-DTERN_EXAMPLES=OFF", "-DTERN_BENCH=OFF", "-DCMAKE_BUILD_TYPE=Debug"])
        must(["cmake", "--build", str(BUILD), "--target", *targets])
        self.files = []  # (source, compiler and flags without -c and -o, object)
        for entry in json.loads((BUILD / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            source = Path(entry["file"])
            is_ours = source.is_relative_to(ROOT / "src") or source.is_relative_to(ROOT / "test")
            if is_ours and "fuzz_support" not in words[at + 1]:
                self.files.append((source, words[:at] + words[at + 4:], words[at + 1]))
        self.texts = {}

    def needs(self, module):
        """The files that can be linked into the guard's program."""
        path = source_of(module)
        return [file for file in self.files if file[0] == path or "test_" not in file[0].name]

    def changed(self, module, flag):
        """Those whose text is another with `flag`."""
        files = self.needs(module)
        with ThreadPoolExecutor() as pool:
            lifted = list(pool.map(lambda file: preprocess(file, [flag]), files))
            for file, text in zip(files, pool.map(lambda file: self.texts.get(file[0]) or preprocess(file, []), files)):
                self.texts[file[0]] = text
        return [file for file, text in zip(files, lifted) if text != self.texts[file[0]]]


def preprocess(file, flags):
    source, words, _ = file
    return hashlib.sha256(must([*words, *flags, "-E", "-P", str(source)]).encode()).hexdigest()


def compile_lifted(file, flag):
    """A warning is no matter here: bounds of arrays may become what they are not meant to be."""
    source, words, obj = file
    folder = LIFTED / ("test" if source.name.startswith("test_") else Path(obj).parts[1])
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / Path(obj).name
    must([*words, flag, "-w", "-c", str(source), "-o", str(out)])
    return obj, out


def link_lifted(target, objects):
    """The program's own link command, with the objects that changed in the place of the plain ones: its own,
    and members of copies of the libraries."""
    last = must(["ninja", "-t", "commands", f"test/{target}"]).strip().split("\n")[-1]
    words = shlex.split(last.split("&&")[1])
    replaced = {obj: str(path) for obj, path in objects}
    words = [replaced.get(word, word) for word in words]
    for library in ("libtern_core.a", "libtern_test_support.a"):
        copy = LIFTED / library
        shutil.copy(BUILD / library, copy)
        members = must(["ar", "t", str(copy)]).split()
        own = [str(path) for _, path in objects if path.name in members]
        if own:
            must(["ar", "r", str(copy), *own])
        words = [str(copy) if word == library else word for word in words]
    program = LIFTED / target
    words[words.index("-o") + 1] = str(program)
    must(words)
    return program


def passes(program, test):
    """Whether the test is among those that pass."""
    try:
        result = subprocess.run([str(program)], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
        return re.search(rf"\[ +OK +\] {test}\b", result.stdout + result.stderr) is not None
    except subprocess.TimeoutExpired:
        return False


def judge(plain, name):
    module, test, value = GUARDS[name]
    target = "test_" + module.replace("/", "_")
    shutil.rmtree(LIFTED, ignore_errors=True)
    LIFTED.mkdir()
    flag = f"-DTERN_CAP_{name}={value}"
    if not passes(BUILD / "test" / target, test):
        return "the guard fails as it is"
    with ThreadPoolExecutor() as pool:
        objects = list(pool.map(lambda file: compile_lifted(file, flag), plain.changed(module, flag)))
    if not objects:
        return "nothing depends on it"
    return "the guard does not notice" if passes(link_lifted(target, objects), test) else "guarded"


def lift(rows, names):
    guarded = [row[0] for row in rows if row[0] in GUARDS and (not names or row[0] in names)]
    plain = Plain(sorted({"test_" + GUARDS[name][0].replace("/", "_") for name in guarded}))
    shown = 0
    for name in guarded:
        verdict = judge(plain, name)
        shown += verdict == "guarded"
        print(f"TERN_CAP_{name:<20} {GUARDS[name][2]:>14}  {verdict}", flush=True)
    print(f"{len(guarded)} caps, {shown} guarded, {len(guarded) - shown} unguarded")
    return shown == len(guarded)


def main():
    rows = caps()
    if rows == [] or len(rows) != CONFIG.read_text().count("#define TERN_CAP_"):
        raise SystemExit("config.h: not every TERN_CAP_ could be read")
    text = table(rows)
    if "--lift" in sys.argv:
        sys.exit(0 if lift(rows, [arg.removeprefix("TERN_CAP_") for arg in sys.argv[1:] if arg != "--lift"]) else 1)
    if "--write" in sys.argv:
        TABLE.write_text(text)
    guarded = sum(1 for row in rows if row[0] in GUARDS)
    tree.finish("caps", problems_of(rows, text),
                f"{len(rows)} caps, {guarded} guarded, {len(rows) - guarded} unguarded")


main()
