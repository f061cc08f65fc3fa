#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""names.py [ROOT]: no file or folder whose name says nothing, nothing new at the top level, and
events of the log as noun.verb."""
import os
import re
import sys

import tree

EMPTY_WORDS = re.compile(r"(^|[_-])(utils?|common|misc|helpers?|stuff)([_-]|$)")
LOGGED = re.compile(r'\blog_(?:error|warn|info|debug)\(\s*"([^"]*)"')
EVENT = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")
CODE = (".c", ".h", ".py", ".sh", ".mk")
TOP = {"Makefile", "bpf", "user", "tools", "include", "scripts", "selftests", "docs", "LICENSE",
       "README.md"}


def events(root, path):
    """One way to name what happened, so that a reader can guess it."""
    return {f"{path}: the event {name} is not noun.verb"
            for name in LOGGED.findall(tree.read(root, path)) if not EVENT.fullmatch(name)}


def main():
    root = tree.root_of(sys.argv)
    findings = set()
    for path in tree.files(root):
        parts = path.split("/")
        if parts[0] not in TOP and not parts[0].startswith("."):
            findings.add(f"{parts[0]}: does not belong to the top level")
        for i, folder in enumerate(parts[:-1]):
            if EMPTY_WORDS.search(folder):
                findings.add(f"{'/'.join(parts[:i + 1])}: a folder's name has to say what is in it")
        name, ext = os.path.splitext(parts[-1])
        if ext in CODE and EMPTY_WORDS.search(name):
            findings.add(f"{path}: the name has to say what is in it")
        if path.startswith("user/") and ext == ".c":
            findings |= events(root, path)
    tree.finish(sorted(findings))


if __name__ == "__main__":
    main()
