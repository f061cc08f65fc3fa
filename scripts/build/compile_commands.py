#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""compile_commands.py FLAGS FILE... [--also FLAGS FILE...]: a compilation database on stdout."""
import json
import os
import shlex
import sys


def main(argv):
    rows = []
    while argv:
        cut = argv.index("--also") if "--also" in argv else len(argv)
        flags, files = shlex.split(argv[0]), argv[1:cut]
        rows += [{"directory": os.getcwd(), "file": f, "arguments": ["cc", *flags, "-c", f]}
                 for f in files]
        argv = argv[cut + 1:]
    json.dump(rows, sys.stdout, indent=1)
    print()


main(sys.argv[1:])
