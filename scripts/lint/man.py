#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""man.py [ROOT]: mandoc's own lint over docs/man, from warnings up."""
import re
import subprocess
import sys

import tree


def main():
    root = tree.root_of(sys.argv)
    pages = [f for f in tree.files(root) if re.match(r"docs/man/[^/]+\.[1-9]$", f)]
    if not pages:
        tree.finish([])
    done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", *pages], text=True, cwd=root,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    tree.finish([re.sub(r"^mandoc: ", "", l) for l in done.stdout.splitlines() if l.strip()])


if __name__ == "__main__":
    main()
