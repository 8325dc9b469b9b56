#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files of at most 700 lines, functions of at most 70, control nesting of at most 3, 5 parameters.

Nesting counts blocks that if, else, for, while, do and switch open, seen from the function's body; an
`else if` is as deep as its `if`. A function with more parameters takes an args struct, but for public
ones, whose shape the headers decide. There is no list of exceptions.
"""
import re

import exports
import tree

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70
NESTING_MAX = 3
PARAMETERS_MAX = 5

PUBLIC = exports.names(tree.c_files(("include",), (".h",)))
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "else", "do"}


def closing(text, at, opening, close):
    """The offset of the bracket that closes the one at `at`, or the end."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == close:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def functions(text):
    """(name, parameters, start of the body, end of the body) of each function defined at file level."""
    i = 0
    while True:
        at = text.find("{", i)
        if at < 0:
            return
        end = closing(text, at, "{", "}")
        head = text[i:at].rstrip()
        if re.search(r'extern\s+$', text[i:at].replace('"C"', "")):
            i = at + 1
            continue
        if head.endswith(")"):
            match = None
            for match in re.finditer(r"(\w+)\s*\(", head):
                if closing(head, match.end() - 1, "(", ")") == len(head) - 1:
                    break
            else:
                match = None
            if match and match.group(1) not in KEYWORDS:
                yield match.group(1), head[match.end():-1], at, end
        i = end + 1


def parameters(text):
    depth = count = 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        count += char == "," and depth == 0
    return 0 if text.strip() in ("", "void") else count + 1


def nesting(body):
    """The deepest control block in a function's body (the text between its braces, braces included)."""
    deepest, stack, control = 0, [], 0
    for i, char in enumerate(body):
        if char == "{":
            before = body[:i].rstrip()
            is_control = len(stack) > 0 and (
                re.search(r"\b(else|do)$", before) is not None
                or (before.endswith(")") and opens_control(before)))
            stack.append(is_control)
            control += is_control
            deepest = max(deepest, control)
        elif char == "}" and stack:
            control -= stack.pop()
    return deepest


def opens_control(before):
    depth = 0
    for i in range(len(before) - 1, -1, -1):
        depth += (before[i] == ")") - (before[i] == "(")
        if depth == 0:
            return re.search(r"\b(if|for|while|switch)\s*$", before[max(0, i - 12):i]) is not None
    return False


def drop_preprocessor(text):
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", tree.blank, text, flags=re.M)


def is_ours(path, name):
    """Not public, and no callback whose shape the TLS library decides."""
    return path.startswith(("src/", "tools/")) and name not in PUBLIC and not re.search(r"_(awslc|openssl|library)\.c$", path)


def check_file(path):
    text = drop_preprocessor(tree.code(path))
    lines = tree.read(path).count("\n")
    problems = []
    if lines > FILE_LINES_MAX:
        problems.append(f"{path}: {lines} lines, at most {FILE_LINES_MAX}: it holds two ideas")
    longest = count = 0
    for name, params, start, end in functions(text):
        first, last = tree.line_of(text, start), tree.line_of(text, end)
        length = last - first + 1
        longest, count = max(longest, length), count + 1
        where = f"{path}:{first}: {name}"
        if length > FUNCTION_LINES_MAX:
            problems.append(f"{where}: {length} lines, at most {FUNCTION_LINES_MAX}")
        deep = nesting(text[start:end + 1])
        if deep > NESTING_MAX:
            problems.append(f"{where}: nests {deep} deep, at most {NESTING_MAX}")
        if parameters(params) > PARAMETERS_MAX and is_ours(path, name):
            problems.append(f"{where}: {parameters(params)} parameters, at most {PARAMETERS_MAX}: take a struct")
    return problems, count, longest


def main():
    problems, total, longest, files = [], 0, 0, tree.c_files()
    for path in files:
        found, count, most = check_file(path)
        problems += found
        total += count
        longest = max(longest, most)
    tree.finish("sizes", problems, f"{len(files)} files, {total} functions, the longest {longest} lines")


main()
