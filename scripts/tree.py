# SPDX-License-Identifier: MIT
"""What the check scripts share: finding the tree's files and reading C without its comments."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
C_FOLDERS = ("include", "src", "tools", "test", "fuzz", "bench", "examples", "interop", "proofs")


def c_files(folders=C_FOLDERS, suffixes=(".c", ".h")):
    """Paths from the root, sorted; corpora are data, not code."""
    found = []
    for folder in folders:
        for at, subfolders, files in os.walk(os.path.join(ROOT, folder)):
            subfolders[:] = [s for s in subfolders if s not in ("corpus", "vectors")]
            found += [os.path.relpath(os.path.join(at, f), ROOT) for f in files if f.endswith(suffixes)]
    return sorted(found)


def all_files():
    """Every file that git has or would add."""
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True).stdout
    names = sorted(set(out.decode().split("\0")) - {""})
    return [name for name in names if os.path.isfile(os.path.join(ROOT, name))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def blank(match):
    """Spaces of the same shape, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(path):
    """The file with comments and literals blanked, except the names in #include lines."""
    out = []
    text = read(path)
    kept = {m.start(1): m.group(1) for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*("[^"\n]*")', text, re.M)}

    def one(match):
        return match.group(0) if match.start() in kept else blank(match)

    out.append(TOKENS.sub(one, text))
    return "".join(out)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(name, problems, what):
    """Prints the problems and ends the script with its verdict."""
    for problem in problems:
        print(problem)
    print(f"{name}: {what}" if not problems else f"{name}: {len(problems)} problem(s)")
    sys.exit(1 if problems else 0)
