#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Runs the test programs, counts the tests in them, and ends with one line:
    N passed, N failed, N skipped
Exit status: 0 nothing failed, 1 something did, 2 wrong usage. README.md here has the conventions.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field

import proc
import suites
import tap
from probe import probe
from tap import Result

TAIL_LINES = 40
WAITING_JOBS = 2  # times as many programs at once where each waits for most of its time
AGAIN = 3  # programs that failed may have a second go; of more, it is no accident


@dataclass
class Context:
    root: str
    build: str
    logs: str
    reports: str  # of the sanitizers in the agent's processes: any uid has to be able to write
    fuzz_s: int
    long: bool


@dataclass
class Report:
    program: suites.Program
    results: list
    log: str
    seconds: float
    unstable: list = field(default_factory=list)  # what failed before it passed

    def failed(self):
        return [r for r in self.results if r.status == "failed"]


def say(text):
    print(text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--suite", default="", help="comma separated: " + " ".join(suites.SUITES))
    parser.add_argument("--match", default="", help="run programs whose SUITE/NAME has this in it")
    parser.add_argument("--long", action="store_true", help="full sizes, no time budget")
    parser.add_argument("--fuzz-s", type=int, default=3, help="seconds for each fuzz target")
    parser.add_argument("--deadline", type=float, default=0, help="UNIX time after which none starts")
    parser.add_argument("--again", type=int, default=AGAIN, metavar="N",
                        help="where at most N programs failed, run them once more (%(default)s)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--build-failed", action="store_true", help="count that as a failure")
    parser.add_argument("--list", action="store_true", help="print the programs and stop")
    return parser.parse_args()


def environment(ctx, program, tmp):
    env = dict(os.environ)
    env.update({
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
        "LC_ALL": "C.UTF-8",
        "SLUICE_ROOT": ctx.root,
        "SLUICE_BUILD": ctx.build,
        "SLUICED": os.path.join(ctx.build, "sluiced"),
        "SLUICECTL": os.path.join(ctx.build, "sluicectl"),
        "TEST_TMPDIR": tmp,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin",
    })
    if ctx.long:
        env["SLUICE_LONG"] = "1"
        env.setdefault("CONFORM_CASES", "1000000")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    env.update(program.env)
    return env


def sanitizer_reports(ctx, log):
    """Append what the sanitizers wrote in the agent's processes; the number of reports."""
    paths = sorted(glob.glob(os.path.join(ctx.reports, "report*")))
    with open(log, "ab") as out:
        for path in paths:
            with open(path, "rb") as f:
                out.write(b"\n--- " + os.path.basename(path).encode() + b"\n" + f.read())
            os.unlink(path)
    return len(paths)


def judge(ctx, program, outcome, log, available):
    """The results of one program: what it reported, and what its end says."""
    with open(log, encoding="utf-8", errors="replace") as f:
        text = f.read()
    failed = []
    if program.fuzz:
        results, missing = [], 0
        if outcome.code == 0 and not outcome.timed_out:
            runs = re.search(r"number_of_executed_units: (\d+)", text)
            results = [Result("passed", f"{runs.group(1) if runs else '?'} inputs, no crash")]
    else:
        results, missing = tap.parse(text)
    if outcome.timed_out:
        failed.append(f"ends within {program.timeout_s:.0f} s")
    elif outcome.code < 0:
        failed.append(f"is not ended by a signal ({signal.Signals(-outcome.code).name})")
    elif outcome.code and not any(r.status == "failed" for r in results):
        failed.append(f"exits with 0, not {outcome.code}")
    elif missing:
        failed.append(f"reports all tests of its plan ({missing} missing)")
    elif not results:
        failed.append("reports at least one test")
    if outcome.left_behind:
        failed.append("leaves no process behind: " + ", ".join(outcome.left_behind))
    if sanitizer_reports(ctx, log):
        failed.append("makes the sanitizers report nothing")
    for result in results:
        if result.status == "skipped" and not result.reason:
            result.status, result.reason = "failed", "skipped without a reason"
        elif result.status == "skipped" and not program.may_skip and not any(available.values()):
            result.status = "failed"
            result.reason = "skipped where BPF works: " + result.reason
    return results + [Result("failed", f"{os.path.basename(program.name)} {f}") for f in failed]


def lacks(available, needs):
    """What of needs is not there, and why: "bpf, netns: not root"."""
    reasons = {}
    for need in needs:
        if available.get(need):
            reasons.setdefault(available[need], []).append(need)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


def run_one(ctx, program, available, deadline):
    log = os.path.join(ctx.logs, f"{program.suite}-{program.name.replace('/', '-')}.log")
    lacking = lacks(available, program.needs)
    if lacking:
        return Report(program, [Result("skipped", "the whole program", lacking)], "", 0)
    if not os.access(program.argv[0], os.X_OK):
        return Report(program, [Result("failed", f"{program.argv[0]} was not built")], "", 0)
    timeout_s = program.timeout_s * (10 if ctx.long else 1)
    if deadline:
        left_s = deadline - time.time()
        if left_s < 1:
            return Report(program, [Result("failed", "not started: the time of the run is used up "
                                           "(make test-long has no limit)")], "", 0)
        timeout_s = min(timeout_s, left_s)
    tmp = tempfile.mkdtemp(prefix="sluice-test-")
    os.chmod(tmp, 0o711)  # workers run as another user
    try:
        outcome = proc.run(program.argv, log, timeout_s, environment(ctx, program, tmp), ctx.root,
                           program.alone)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    report = Report(program, judge(ctx, program, outcome, log, available), log, outcome.seconds)
    with open(log, encoding="utf-8", errors="replace") as f:
        report.unstable = re.findall(r"^# unstable: (.*)$", f.read(), re.M)
    return report


def count(reports):
    results = [r.status for report in reports for r in report.results]
    return {s: results.count(s) for s in ("passed", "failed", "skipped")}


def show(report):
    n = count([report])
    word = "FAIL" if n["failed"] else "ok" if n["passed"] else "skip"
    text = f"{word:<4}  {report.program.suite + '/' + report.program.name:<44} {n['passed']:>4} passed"
    text += f", {n['failed']} failed" if n["failed"] else ""
    text += f", {n['skipped']} skipped" if n["skipped"] else ""
    say(f"{text}  {report.seconds:.1f} s")


def show_end(reports):
    for report in reports:
        where = f"{report.program.suite}/{report.program.name}"
        for text in report.unstable:
            say(f"UNSTABLE {where}: failed, and passed at the second go: {text}")
    for report in reports:
        where = f"{report.program.suite}/{report.program.name}"
        for r in report.results:
            if r.status == "skipped":
                say(f"SKIPPED {where}: {r.title}: {r.reason}")
    for report in reports:
        where = f"{report.program.suite}/{report.program.name}"
        broken = report.failed()
        for r in broken:
            say(f"FAILED {where}: {r.title}{': ' + r.reason if r.reason else ''}")
        if broken and report.log:
            with open(report.log, encoding="utf-8", errors="replace") as f:
                tail = f.read().splitlines()[-TAIL_LINES:]
            say(f"  the end of {os.path.relpath(report.log)}:")
            for line in tail:
                say("  | " + line)


def run_all(ctx, programs, available, args, reports):
    """In the order of the suites; neighbours that need not be alone share the cores."""
    def finish(report):
        reports.append(report)
        show(report)

    i = 0
    while i < len(programs):
        batch = [programs[i]]
        while not programs[i].alone and i + len(batch) < len(programs) \
                and not programs[i + len(batch)].alone:
            batch.append(programs[i + len(batch)])
        i += len(batch)
        jobs = args.jobs if len(batch) > 1 else 1
        if all(p.waits for p in batch):
            jobs *= WAITING_JOBS
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            work = [pool.submit(run_one, ctx, p, available, args.deadline) for p in batch]
            try:
                for done in concurrent.futures.as_completed(work):
                    finish(done.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                proc.stop_all()
                raise


def second_go(ctx, available, args, reports):
    """Run what failed once more, alone: what passes then is named as unstable, and counts as passed."""
    broken = [i for i, r in enumerate(reports) if r.failed()]
    if len(broken) > args.again:
        return
    for i in broken:
        if not reports[i].log or reports[i].program.fuzz or reports[i].program.suite in suites.BY_NAME:
            continue
        first = reports[i]
        root, end = os.path.splitext(first.log)
        os.replace(first.log, root + ".first" + end)
        say(f"again {first.program.suite}/{first.program.name}: {first.failed()[0].title}")
        second = run_one(ctx, first.program, available, args.deadline)
        show(second)
        if second.failed():
            os.replace(root + ".first" + end, first.log)
            continue
        second.unstable = [r.title for r in first.failed()]
        reports[i] = second


def main():
    args = arguments()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    build = os.path.abspath(args.build)
    logs = os.path.join(build, "test-logs")
    ctx = Context(root, build, logs, os.path.join(logs, "sanitizer"), args.fuzz_s, args.long)
    wanted = [s for s in args.suite.split(",") if s] or \
        [s for s in suites.SUITES if s not in suites.BY_NAME]
    unknown = [s for s in wanted if s not in suites.SUITES]
    if unknown:
        say(f"no suite {', '.join(unknown)}; there are: {' '.join(suites.SUITES)}")
        return 2
    programs = [p for s in wanted for p in suites.SUITES[s](ctx)
                if args.match in f"{p.suite}/{p.name}"]
    if args.list:
        for p in programs:
            say(f"{p.suite}/{p.name}")
        return 0
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(ctx.reports)
    os.chmod(ctx.reports, 0o1777)
    proc.become_subreaper()
    available = probe(root, say)
    lacking = lacks(available, available)
    if lacking:
        say(f"missing here: {lacking}. What needs it is skipped; run as root on a kernel with BPF.")
    reports = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    status = 1
    try:
        run_all(ctx, programs, available, args, reports)
        second_go(ctx, available, args, reports)
        status = 0
    except KeyboardInterrupt:
        say("interrupted")
    finally:
        show_end(reports)
        n = count(reports)
        if args.build_failed:
            say("FAILED the build: see above")
            n["failed"] += 1
        if lacking and os.environ.get("SLUICE_REQUIRE_BPF"):
            say(f"FAILED SLUICE_REQUIRE_BPF is set, and missing here: {lacking}")
            n["failed"] += 1
        if not n["passed"] + n["failed"] + n["skipped"]:
            say(f"no test matches: suite {args.suite or 'any'}, pattern {args.match or 'any'}")
            status = 1
        say(f"{n['passed']} passed, {n['failed']} failed, {n['skipped']} skipped")
    return 1 if n["failed"] else status


if __name__ == "__main__":
    sys.exit(main())
