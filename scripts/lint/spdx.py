#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""spdx.py [ROOT]: every source says its license in its first line (the second, after #!)."""
import re
import sys

import tree

BSD = "BSD-2-Clause"
DUAL = "GPL-2.0-only OR BSD-2-Clause"
DUAL_FOLDERS = ("bpf/", "include/sluice/algo/", "include/sluice/abi/")
SOURCES = (".c", ".h", ".py", ".sh", ".mk")
SPDX = re.compile(r"SPDX-License-Identifier: (.*?)\s*(?:\*/)?$")


def licenses(path):
    if path.startswith(DUAL_FOLDERS):
        return (DUAL,)
    # A program that only a test loads is a test; it may also be the kernel's.
    return (BSD, DUAL) if path.endswith(".bpf.c") else (BSD,)


def main():
    root = tree.root_of(sys.argv)
    findings = []
    for path in tree.files(root):
        interpreted = bool(tree.shebang(root, path))
        if not interpreted and not path.endswith(SOURCES) and path != "Makefile":
            continue
        head = tree.read(root, path).splitlines()[: 2 if interpreted else 1]
        match = SPDX.search(head[-1]) if head else None
        wanted = licenses(path)
        if not match:
            findings.append(f"{path}:1: no line SPDX-License-Identifier: {wanted[0]}")
        elif match.group(1) not in wanted:
            findings.append(f"{path}:1: license {match.group(1)}, not {wanted[0]}")
    tree.finish(findings)


if __name__ == "__main__":
    main()
