#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
budgets.py [ROOT]: the size budgets of docs/style.md. Three lines each: over the first is a warning,
over the second fails without a row in budget_reasons.txt, over the third always.
"""
import os
import re
import sys

import tree

FILE_C = (400, 600, 1000)
FILE_H = (150, 250, 400)
FUNCTION = (40, 60, 100)
MONITOR_LINES = 400

# What a brace at file level opens: a function's body follows its parameter list, and perhaps
# attributes in capitals or __attribute__((...)).
BODY = re.compile(r"\)\s*(?:(?:__\w+|[A-Z_]+)\s*(?:\([^{}]*\))?\s*)*$")
NAME = re.compile(r"(\w+)\s*\(")
NOT_NAMES = {"__attribute__", "SEC", "if", "while", "for", "switch", "_Static_assert", "__section"}


def functions(text):
    """(name, first line, lines from the opening to the closing brace) of each function."""
    text = tree.bare(text)
    # Directives and their continuations hold braces that need not balance.
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), text,
                  flags=re.M)
    depth, start, head_from, line = 0, 0, 0, 1
    name = ""
    for i, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char == "{":
            if depth == 0:
                head = text[head_from:i]
                start = line
                names = [n for n in NAME.findall(head) if n not in NOT_NAMES]
                name = names[0] if BODY.search(head) and "=" not in head and names else ""
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if name:
                    yield name, start, line - start + 1
                head_from = i + 1
        elif char == ";" and depth == 0:
            head_from = i + 1


def load_reasons(root):
    reasons = {}
    for line in tree.read(root, "scripts/lint/budget_reasons.txt").splitlines():
        words = line.split("#")[0].split(None, 1)
        if len(words) == 2:
            reasons[words[0]] = words[1]
    return reasons


class Judge:
    def __init__(self, reasons):
        self.reasons, self.used = reasons, set()
        self.findings, self.warnings = [], []

    def __call__(self, where, key, what, lines, budget):
        aim, limit, hard = budget
        text = f"{where}: {what} has {lines} lines"
        if lines > hard:
            self.findings.append(f"{text}, more than {hard}")
        elif lines > limit and key in self.reasons:
            self.used.add(key)
        elif lines > limit:
            self.findings.append(f"{text}, more than {limit}; divide it, or give the reason in "
                                 "scripts/lint/budget_reasons.txt")
        elif lines > aim:
            self.warnings.append(f"{text}, aim for {aim}")


def main():
    root = tree.root_of(sys.argv)
    judge = Judge(load_reasons(root))
    monitor = 0
    for path in tree.c_files(root):
        text = tree.read(root, path)
        lines = text.count("\n")
        judge(f"{path}:1", path, "the file", lines, FILE_H if path.endswith(".h") else FILE_C)
        for name, start, length in functions(text):
            judge(f"{path}:{start}", f"{path}:{name}", f"{name}()", length, FUNCTION)
        if os.path.dirname(path) == "user/monitor":
            monitor += lines
    if monitor > MONITOR_LINES:
        judge.findings.append(f"user/monitor: {monitor} lines; what runs as root has at most "
                              f"{MONITOR_LINES}")
    for key in judge.reasons.keys() - judge.used:
        judge.findings.append(f"scripts/lint/budget_reasons.txt: {key} is within its budget: "
                              "remove the row")
    tree.finish(judge.findings, judge.warnings)


if __name__ == "__main__":
    main()
