#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""format.py [--fix] [ROOT]: clang-format over the C files; without --fix it changes nothing."""
import re
import subprocess
import sys

import tree


def main():
    fix = "--fix" in sys.argv
    root = tree.root_of([a for a in sys.argv if a != "--fix"])
    paths = tree.c_files(root)
    if not paths:
        tree.finish([])
    mode = ["-i"] if fix else ["--dry-run"]
    done = subprocess.run(["xargs", "-0", "-P2", "-n20", "clang-format", "--style=file", *mode],
                          input="\0".join(paths), text=True, cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    lines = re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*)", done.stdout, re.M)
    first = {}
    for path, line, text in lines:
        first.setdefault(path, []).append((int(line), text))
    findings = [f"{p}:{min(at)[0]}: clang-format would change {len(at)} places (make fmt)"
                for p, at in sorted(first.items())]
    if done.returncode and not findings:
        findings = [done.stdout.strip() or f"clang-format: exit status {done.returncode}"]
    tree.finish(findings)


if __name__ == "__main__":
    main()
