# SPDX-License-Identifier: BSD-2-Clause
"""Finds the test programs of each suite. README.md here says how to add one."""
import glob
import os
import re
from dataclasses import dataclass, field

DATA_PLANE = ("root", "bpf", "netns", "users")
HEADER_LINES = 40


@dataclass
class Program:
    suite: str
    name: str
    argv: list
    timeout_s: float
    needs: tuple = ()
    may_skip: bool = True
    alone: bool = True  # nothing else runs beside it
    waits: bool = False  # for most of its time
    env: dict = field(default_factory=dict)
    fuzz: bool = False
    own_kernel: bool = False  # not in the guests of `make test-kernels`


def _header(path):
    """The words behind `harness:` in the first lines of a test's source."""
    words = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            head = [next(f, "") for _ in range(HEADER_LINES)]
    except OSError:
        return words
    for line in head:
        match = re.search(r"\bharness:\s*(.*?)\s*(?:\*/)?$", line)
        for word in match.group(1).split() if match else ():
            key, _, value = word.partition("=")
            words[key] = value
    return words


def _needs(words, default):
    if "needs" not in words:
        return default
    return tuple(n for n in words["needs"].split(",") if n and n != "none")


def _cmocka(ctx, suite, sources, folder, timeout_s, needs, alone):
    for source in sorted(glob.glob(os.path.join(ctx.root, sources))):
        name = os.path.basename(source)[: -len(".c")]
        words = _header(source)
        yield Program(suite, name, [os.path.join(ctx.build, folder, name)],
                      float(words.get("timeout", timeout_s)), _needs(words, needs),
                      may_skip=not needs or "may-skip" in words, alone=alone or "alone" in words,
                      own_kernel="own-kernel" in words)


def unit(ctx):
    return _cmocka(ctx, "unit", "selftests/unit/test_*.c", "unit", 60, (), False)


def san(ctx):
    for p in _cmocka(ctx, "san", "selftests/unit/test_*.c", "san/unit", 120, (), False):
        p.env = {"ASAN_OPTIONS": "detect_leaks=1",
                 "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
        yield p


def bpf(ctx):
    """Those that say `harness: alone` load all CPUs, or share what the machine has one of: they come
    first, then all others beside each other, the longest at the start."""
    found = [p for folder in ("model", "bpf")
             for p in _cmocka(ctx, "bpf", f"selftests/{folder}/test_*.c", "bpf-tests", 180,
                              DATA_PLANE, False)]
    return sorted(found, key=lambda p: not p.alone)


def fuzz(ctx):
    for source in sorted(glob.glob(os.path.join(ctx.root, "selftests/fuzz/fuzz_*.c"))):
        name = os.path.basename(source)[: -len(".c")]
        kept = os.path.join(ctx.root, "selftests/fuzz/corpus", name)
        found = os.path.join(ctx.build, "fuzz/corpus", name)
        artifacts = os.path.join(ctx.build, "fuzz/artifacts", name)
        os.makedirs(found, exist_ok=True)
        os.makedirs(artifacts, exist_ok=True)
        argv = [os.path.join(ctx.build, "fuzz", name), f"-max_total_time={ctx.fuzz_s}",
                "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                f"-artifact_prefix={artifacts}/"]
        dictionary = os.path.join(ctx.root, "selftests/fuzz", name + ".dict")
        if os.path.exists(dictionary):
            argv.append("-dict=" + dictionary)
        argv += [found] + ([kept] if os.path.isdir(kept) else [])
        yield Program("fuzz", name, argv, ctx.fuzz_s + 60, alone=False, fuzz=True)


def lint(ctx):
    for path in _scripts(ctx, "selftests/lint"):
        yield Program("lint", os.path.basename(path), [path],
                      float(_header(path).get("timeout", 120)), alone=False)


def _scripts(ctx, folder):
    found = glob.glob(os.path.join(ctx.root, folder, "test_*"))
    found += glob.glob(os.path.join(ctx.root, folder, "run"))
    return sorted(p for p in found if os.access(p, os.X_OK) and os.path.isfile(p))


def _features(ctx, suite, folder, wanted):
    for path in _scripts(ctx, folder + "/*"):
        words = _header(path)
        if wanted not in words and wanted or "long" in words and not ctx.long:
            continue
        name = os.path.relpath(path, os.path.join(ctx.root, folder))
        yield Program(suite, name, [path], float(words.get("timeout", 90)),
                      _needs(words, DATA_PLANE), may_skip="may-skip" in words,
                      alone="beside" not in words, waits=True)


def e2e(ctx):
    """Those that say `harness: beside` come last: neighbours share the cores."""
    return sorted(_features(ctx, "e2e", "selftests/e2e", ""), key=lambda p: not p.alone)


def e2e_san(ctx):
    """Those that say `harness: sanitize`, once more, with the sanitized agent."""
    for p in sorted(_features(ctx, "e2e-san", "selftests/e2e", "sanitize"), key=lambda p: p.alone):
        p.timeout_s *= 2
        # No leak check: it needs ptrace, which a process that is not dumpable refuses.
        where = f"log_path={ctx.reports}/report"
        p.env = {"SLUICED": os.path.join(ctx.build, "san/sluiced"), "SLUICE_SANITIZED": "1",
                 "ASAN_OPTIONS": f"detect_leaks=0:{where}",
                 "UBSAN_OPTIONS": f"print_stacktrace=1:{where}"}
        yield p


def conform(ctx):
    return _features(ctx, "conform", "selftests/conform", "")


def kernels(ctx):
    """Each row of kernels.txt is a program: it boots that kernel and runs the suite bpf in it."""
    with open(os.path.join(ctx.root, "selftests/kernels/kernels.txt"), encoding="utf-8") as f:
        names = [line.split()[0] for line in f if line.strip() and line[0] != "#"]
    boot = os.path.join(ctx.root, "selftests/kernels/boot.py")
    for name in names:
        yield Program("kernels", name, [boot, name], 1300, may_skip=False, alone=False)


# In this order: first those that share the cores, then those that have the machine to themselves.
SUITES = {"unit": unit, "san": san, "fuzz": fuzz, "lint": lint, "bpf": bpf, "e2e": e2e,
          "e2e-san": e2e_san, "conform": conform, "kernels": kernels}

# Run only when they are asked for: `make test-kernels`.
BY_NAME = ("kernels",)
