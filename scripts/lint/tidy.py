#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
tidy.py BUILD FLAGS FILE...: clang-tidy, two at a time. A file that passed is not looked at again
until its preprocessed text, the flags or .clang-tidy change; what passed is in BUILD/lint/tidy.
"""
import concurrent.futures
import hashlib
import os
import re
import shlex
import subprocess
import sys

FINDING = re.compile(r"^(\S+:\d+:\d+: (?:warning|error): .*)", re.M)
HERE = os.path.dirname(os.path.abspath(__file__))
# Defines what analyzer.h wraps.
UNWRAPPED = ("user/base/errmsg.c",)
# The analyzer does not know __attribute__((cleanup)): to it, what is released so leaks, and a store
# that only the release reads is dead.
OWNED = re.compile(r"(?:Potential leak of memory pointed to by|[Vv]alue stored to) '(\w+)")


def run(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


# It does not know either that -errno is not 0 (clang 14 has no symbol for a negated value), and goes
# on behind `if (err)` with the outputs of a failed call. gcc's -Wmaybe-uninitialized sees through.
UNWRITTEN = "note: Returning without writing to"


def released_by_cleanup(finding, source):
    """Whether a finding is about a variable that is declared with one of base/cleanup.h's words."""
    name = OWNED.search(finding)
    return name and re.search(r"\bCLEANUP\w*(?:\(\w+\))?[^;{}]*\b%s\b" % name.group(1), source)


def check(path, flags, cache, salt):
    """The findings in one file."""
    if path not in UNWRAPPED:
        flags = [*flags, "-include", os.path.join(HERE, "analyzer.h")]
    text = run("clang", *flags, "-E", path)
    if text.returncode:
        return [f"{path}: does not compile, see the check `clang`"]
    key = hashlib.sha256((salt + text.stdout).encode()).hexdigest()
    passed = os.path.join(cache, key)
    if os.path.exists(passed):
        return []
    done = run("clang-tidy", "--quiet", "--warnings-as-errors=*", path, "--", *flags)
    here = os.getcwd() + "/"
    with open(path, encoding="utf-8") as f:
        source = f.read()
    # Each with the notes of its path behind it.
    found = dict(zip(*[iter(FINDING.split(done.stdout)[1:])] * 2))
    findings = [l.replace(here, "") for l, notes in found.items()
                if not released_by_cleanup(l, source) and UNWRITTEN not in notes]
    if done.returncode and not found:
        findings = [f"{path}: clang-tidy: {done.stdout.strip()[-500:]}"]
    if not findings:
        with open(passed, "w", encoding="ascii"):
            pass
    return findings


def main():
    build, flags, paths = sys.argv[1], shlex.split(sys.argv[2]), sys.argv[3:]
    # Dependency files and warnings are the compiler's business.
    flags = [f for f in flags if f not in ("-MMD", "-MP") and not f.startswith(("-W", "-fstack"))]
    flags += ["-Wno-everything"]
    cache = os.path.join(build, "lint/tidy")
    os.makedirs(cache, exist_ok=True)
    with open(".clang-tidy", encoding="utf-8") as f:
        salt = f.read() + " ".join(flags) + run("clang-tidy", "--version").stdout
    findings = []
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for found in pool.map(lambda p: check(p, flags, cache, salt), paths):
            findings += found
    # A finding in a header comes back with every file that includes it.
    for line in dict.fromkeys(findings):
        print(line)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
