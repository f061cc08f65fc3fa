#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""run.py [--build BUILD] [CHECK...]: `make lint`. Runs all checks, or those named, and says which failed."""
import os
import re
import shlex
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARNINGS_SHOWN = 20


# What make says that it is doing.
PROGRESS = re.compile(r"^  [A-Z]+ +\S+$|^make\[\d+\]: (\*\*\* \[|Target )")


def environment():
    """Ours, without the job server of a make above us: its descriptors do not come along."""
    env = {k: v for k, v in os.environ.items() if k != "MAKELEVEL"}
    env["MAKEFLAGS"] = re.sub(r"(^| )(--jobserver-\S+|-j\d*)", "", env.get("MAKEFLAGS", ""))
    return env


def script(name):
    return lambda build: [os.path.join(HERE, name + ".py")]


def make(*goals):
    return lambda build: [*shlex.split(os.environ.get("MAKE", "make")), "-k", "-s", f"BUILD={build}",
                          *goals]


def tidy(build):
    quiet = [*shlex.split(os.environ.get("MAKE", "make")), "-s", f"BUILD={build}"]
    flags, paths = (subprocess.run([*quiet, goal], stdout=subprocess.PIPE, text=True, check=True,
                                   env=environment()) for goal in ("print-flags", "print-sources"))
    return [os.path.join(HERE, "tidy.py"), build, flags.stdout.strip(), *paths.stdout.split()]


# Cheap ones first; what the compilers say comes before what clang-tidy makes of it.
CHECKS = {
    "names": script("names"),
    "spdx": script("spdx"),
    "layers": script("layers"),
    "budgets": script("budgets"),
    "format": script("format"),
    "shell": script("shell"),
    "man": script("man"),
    "gcc": make("all", "unit", "bpf-tests", "bench-bin"),
    "clang": make("clang-check"),
    "verifier": make("verifier-check"),
    "tidy": tidy,
}


def run(name, build):
    """Print the outcome of one check; whether it passed."""
    start = time.monotonic()
    try:
        done = subprocess.run(CHECKS[name](build), cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                              env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        output, code = done.stdout, done.returncode
    except subprocess.CalledProcessError as error:
        output, code = str(error), 1
    lines = output.splitlines()
    warnings = [l for l in lines if l.startswith("warning: ")]
    rest = [l for l in lines if not l.startswith("warning: ") and not PROGRESS.match(l)]
    text = f"{'ok' if code == 0 else 'FAIL':<4}  {name:<8} {time.monotonic() - start:5.1f} s"
    if code:
        text += f"  {len(rest)} lines"
    print(text + (f"  {len(warnings)} warnings" if warnings else ""))
    for line in warnings[:WARNINGS_SHOWN] + (rest if code else []):
        print("      " + line)
    if len(warnings) > WARNINGS_SHOWN:
        print(f"      ... and {len(warnings) - WARNINGS_SHOWN} more")
    sys.stdout.flush()
    return code == 0


def main():
    args = sys.argv[1:]
    build = "build"
    if args[:1] == ["--build"]:
        build, args = args[1], args[2:]
    unknown = [a for a in args if a not in CHECKS]
    if unknown:
        print(f"no check {' '.join(unknown)}; there are: {' '.join(CHECKS)}")
        return 2
    failed = [name for name in args or CHECKS if not run(name, build)]
    print("lint: " + (f"failed: {' '.join(failed)}" if failed else "clean"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
