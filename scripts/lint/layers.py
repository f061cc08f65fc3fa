#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""layers.py [ROOT]: checks every #include against layers.txt, the layer table of the architecture."""
import fnmatch
import os
import re
import sys
from dataclasses import dataclass, field

import tree

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<(sluice/[^>]+)>)', re.M)


@dataclass
class Row:
    level: int
    side: str
    paths: list


@dataclass
class Table:
    rows: list = field(default_factory=list)
    exempt: list = field(default_factory=list)
    apart: dict = field(default_factory=dict)

    def row(self, path):
        """(row, the path of it that is the longest prefix of this file), or (None, '')."""
        best = (None, "")
        for row in self.rows:
            for prefix in row.paths:
                if (path == prefix or path.startswith(prefix + "/")) and len(prefix) > len(best[1]):
                    best = (row, prefix)
        return best


def load(root):
    path = "scripts/lint/layers.txt"
    table = Table()
    for number, line in enumerate(tree.read(root, path).splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "exempt":
            table.exempt += words[1:]
        elif words[0] == "apart":
            table.apart[words[1]] = words[2:]
        elif words[0].isdigit() and len(words) > 2 and words[1] in ("user", "bpf", "both"):
            table.rows.append(Row(int(words[0]), words[1], words[2:]))
        else:
            sys.exit(f"{path}:{number}: not a row: {line}")
    return table


def resolve(root, path, name):
    """The file of the tree that an #include means, or None for a library's or a generated one."""
    places = [os.path.dirname(path), "include"]
    places += ["bpf"] if path.startswith("bpf/") else ["user"]
    for place in places:
        found = os.path.normpath(os.path.join(place, name))
        if os.path.isfile(os.path.join(root, found)):
            return found
    return None


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def parent(root, path):
    """The stem of what this file is a part of, itself if of nothing: limit_set.h is of limit.h."""
    words = stem(path).split("_")
    for n in range(1, len(words)):
        name = "_".join(words[:n])
        if os.path.isfile(os.path.join(root, os.path.dirname(path), name + ".h")):
            return name
    return stem(path)


def complaint(root, table, path, target):
    """Why path may not include target, or ''."""
    mine, my_room = table.row(path)
    theirs, their_room = table.row(target)
    if theirs is None:
        return f"{target} is in no row of layers.txt"
    for folder, shared in table.apart.items():
        if path.startswith(folder + "/") and target.startswith(folder + "/"):
            same = parent(root, path) == parent(root, target)
            if not same and not any(fnmatch.fnmatch(os.path.basename(target), s) for s in shared):
                return f"files of {folder} do not see each other"
    if my_room == their_room:
        return ""
    if theirs.side not in (mine.side, "both"):
        return f"{my_room} is on the {mine.side} side, {their_room} on the {theirs.side} side"
    # One row is one room: main.c and monitor/, the three contract headers of bpf/.
    if theirs is mine:
        return ""
    if theirs.level >= mine.level:
        return f"{my_room} is level {mine.level}, {their_room} is level {theirs.level}"
    return ""


def main():
    root = tree.root_of(sys.argv)
    table = load(root)
    findings = []
    for path in tree.c_files(root):
        if any(fnmatch.fnmatch(path, pattern) for pattern in table.exempt):
            continue
        if table.row(path)[0] is None:
            findings.append(f"{path}:1: in no row of scripts/lint/layers.txt")
            continue
        text = tree.read(root, path)
        for match in INCLUDE.finditer(text):
            target = resolve(root, path, match.group(1) or match.group(2))
            why = complaint(root, table, path, target) if target else ""
            if why:
                line = text.count("\n", 0, match.start()) + 1
                findings.append(f"{path}:{line}: may not include {target}: {why}")
    tree.finish(findings)


if __name__ == "__main__":
    main()
