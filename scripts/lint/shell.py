#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""shell.py [ROOT]: shellcheck over the shell scripts, and a syntax check of the Python ones."""
import os
import re
import subprocess
import sys

import tree


def main():
    root = tree.root_of(sys.argv)
    findings, scripts = [], []
    for path in tree.files(root):
        first = tree.shebang(root, path)
        if path.endswith(".py") or "python" in first:
            try:
                compile(tree.read(root, path), path, "exec")
            except SyntaxError as error:
                findings.append(f"{path}:{error.lineno}: {error.msg}")
        elif path.endswith(".sh") or re.search(r"\b(ba|da)?sh\b", first):
            scripts.append(path)
    if scripts:
        done = subprocess.run(["shellcheck", "-x", "-f", "gcc", "-P", "SCRIPTDIR", *scripts], text=True,
                              cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        findings += [os.path.normpath(l) for l in done.stdout.splitlines() if l.strip()]
    tree.finish(findings)


if __name__ == "__main__":
    main()
