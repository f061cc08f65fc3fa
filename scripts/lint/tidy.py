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


def run(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def check(path, flags, cache, salt):
    """The findings in one file."""
    text = run("clang", *flags, "-E", path)
    if text.returncode:
        return [f"{path}: does not compile, see the check `clang`"]
    key = hashlib.sha256((salt + text.stdout).encode()).hexdigest()
    passed = os.path.join(cache, key)
    if os.path.exists(passed):
        return []
    done = run("clang-tidy", "--quiet", "--warnings-as-errors=*", path, "--", *flags)
    here = os.getcwd() + "/"
    findings = [l.replace(here, "") for l in dict.fromkeys(FINDING.findall(done.stdout))]
    if done.returncode and not findings:
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
