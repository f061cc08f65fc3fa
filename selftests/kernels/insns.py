#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The committed table of what the verifier goes through (insns.tsv), and what was measured now.
  insns.py check FILE...            FILE: what load_objects printed. 1: a program grew too much
  insns.py update REASON FILE...    put what was measured into the table; growth needs a reason
TABLE in the environment: another table than the one beside this file.
"""
import os
import sys
from dataclasses import dataclass

GROWTH_PERCENT = 10
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "insns.tsv")
HEAD = """# SPDX-License-Identifier: BSD-2-Clause
# Instructions that the kernel's verifier goes through for each program (of 1,000,000). Written by
# `make verifier-table REASON="..."`; docs/kernels.md says how. Rows within 10 % of what is measured
# stay as they are, so that small steps add up until one of them needs a reason.
# kernel	clang	object	program	instructions	reason
"""


@dataclass
class Row:
    kernel: str
    clang: str
    object: str
    program: str
    insns: int
    reason: str = ""

    def key(self):
        return self.kernel, self.clang, self.object, self.program

    def text(self):
        return "\t".join([*self.key(), str(self.insns), self.reason]) + "\n"


def parse(line):
    words = line.rstrip("\n").split("\t")
    if line.startswith("#") or len(words) not in (5, 6) or not words[4].isdigit():
        return None
    return Row(*words[:4], int(words[4]), *words[5:])


def rows_of(path):
    with open(path, encoding="utf-8") as f:
        return [row for row in map(parse, f) if row]


def read(path=None):
    """The table: {key: row}."""
    path = path or os.environ.get("TABLE", TABLE)
    return {row.key(): row for row in rows_of(path)} if os.path.exists(path) else {}


def write_measured(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(row.text() for row in rows)


def _grown(before, row):
    return row.insns * 100 > before.insns * (100 + GROWTH_PERCENT)


def _shrunk(before, row):
    return row.insns * 100 < before.insns * (100 - GROWTH_PERCENT)


def findings(table, measured):
    """What of the measured rows the table does not allow. A kernel without any row is not judged."""
    known = {key[0] for key in table}
    found = []
    for row in measured:
        what = f"{row.object}: {row.program} (Linux {row.kernel}, clang {row.clang})"
        before = table.get(row.key())
        if before and _grown(before, row):
            found.append(f"{what}: {row.insns} instructions, {before.insns} in the table: "
                         f"{row.insns * 100 / before.insns - 100:+.0f} %. Make it smaller, or "
                         'run `make verifier-table REASON="why"`')
        elif not before and row.kernel in known:
            found.append(f"{what}: no row in insns.tsv. Run `make verifier-table REASON=\"new\"`")
    return found


def update(table, measured, reason):
    """The new table; raises ValueError when it takes a reason and there is none."""
    kernels = {row.kernel for row in measured}
    # What is not built any more leaves the table, for kernels that were measured.
    seen = {row.key() for row in measured}
    new = {key: row for key, row in table.items() if key in seen or key[0] not in kernels}
    for row in measured:
        before = new.get(row.key())
        if before and not _grown(before, row) and not _shrunk(before, row):
            continue
        if not reason and (not before or _grown(before, row)):
            raise ValueError(f"{row.object}: {row.program} has {row.insns} instructions, "
                             f"{before.insns if before else 'none'} in the table: say REASON=\"why\"")
        row.reason = reason or before.reason
        new[row.key()] = row
    return new


def _order(row):
    return [int(n) for n in row.kernel.split(".")], int(row.clang), row.object, row.program


def main():
    verb, args = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if verb == "check" and args:
        measured = [row for path in args for row in rows_of(path)]
        table = read()
        found = findings(table, measured)
        for kernel in sorted({row.kernel for row in measured} - {key[0] for key in table}):
            print(f"warning: insns.tsv has no row for Linux {kernel}: not checked")
        if not measured:
            found = ["nothing was measured: " + " ".join(args)]
        print("\n".join(found), end="\n" if found else "")
        return 1 if found else 0
    if verb == "update" and len(args) > 1:
        reason = " ".join(args[0].split())
        try:
            table = update(read(), [row for path in args[1:] for row in rows_of(path)], reason)
        except ValueError as error:
            print(error)
            return 1
        with open(os.environ.get("TABLE", TABLE), "w", encoding="utf-8") as f:
            f.write(HEAD)
            f.writelines(row.text() for row in sorted(table.values(), key=_order))
        return 0
    print(__doc__.strip())
    return 2


if __name__ == "__main__":
    sys.exit(main())
