#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The test runner itself: what it counts, what it ends, and when it fails."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.environ.get("SLUICE_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "selftests/harness"))
import tap as reader  # noqa: E402

HEAD = "#!/bin/sh\n# harness: needs=none {}\n"
CMOCKA = """1..4
ok 1 - ok
not ok 2 - bad
# 0x1 != 0x2
no such thing here
not ok 3 # SKIP third
ok 4 - a sentence # with hash, and more
# not ok - group
"""

# (sentence, output, statuses, missing)
READINGS = [
    ("plain TAP", "1..2\nok 1 - a\nnot ok 2 - b\n", "passed failed", 0),
    ("lines without numbers", "ok - a\nnot ok - b\n", "passed failed", 0),
    ("a skip with its reason", "ok 1 - a # SKIP no kernel\n1..1\n", "skipped", 0),
    ("cmocka's dialect", CMOCKA, "passed failed skipped passed", 0),
    ("a plan that is not kept", "1..3\nok 1 - a\n", "passed", 2),
    ("a failed group setup", "not ok 0 - g [  FAILED  ] GROUP SETUP\n", "failed", 0),
    ("a whole file skipped", "1..0 # SKIP no tool\n", "skipped", 0),
    ("words that only look like results", "okay\nokra 1\nnotok\n", "", 0),
]

# (sentence, script, last line, what the output has to say)
PROGRAMS = [
    ("a passing program", "echo 'ok 1 - a'; echo 1..1", "1 passed, 0 failed, 0 skipped", ""),
    ("a failing test", "echo 'not ok 1 - the sky is green'; exit 1",
     "0 passed, 1 failed, 0 skipped", "FAILED e2e/f/test_x.sh: the sky is green"),
    ("a program that fails without saying so", "echo 'ok 1 - a'; exit 3",
     "1 passed, 1 failed, 0 skipped", "exits with 0, not 3"),
    ("a program that says nothing", "true", "0 passed, 1 failed, 0 skipped",
     "reports at least one test"),
    ("a program that a signal ends", "echo 'ok 1 - a'; kill -SEGV $$",
     "1 passed, 1 failed, 0 skipped", "SIGSEGV"),
    ("a plan that is not kept", "echo 1..2; echo 'ok 1 - a'", "1 passed, 1 failed, 0 skipped",
     "1 missing"),
    ("a skip with a reason", "echo 'ok 1 - a # SKIP no such kernel'; echo 'ok 2 - b'",
     "1 passed, 0 failed, 1 skipped", "a: no such kernel"),
    ("a skip without a reason", "echo 'ok 1 - a # SKIP'", "0 passed, 1 failed, 0 skipped",
     "skipped without a reason"),
    ("a program that hangs", "echo 'ok 1 - a'; exec sleep 300", "1 passed, 1 failed, 0 skipped",
     "ends within 1 s"),
    ("a program that ignores SIGTERM and hangs", "trap '' TERM; while :; do sleep 1; done",
     "0 passed, 1 failed, 0 skipped", "ends within 1 s"),
    ("a daemon that is left behind", "echo 'ok 1 - a'; setsid sleep 300 >/dev/null 2>&1 &",
     "1 passed, 1 failed, 0 skipped", "leaves no process behind"),
    ("a sanitizer's report", "echo 'ok 1 - a'; echo boom >$SLUICE_BUILD/test-logs/sanitizer/report.1",
     "1 passed, 1 failed, 0 skipped", "makes the sanitizers report nothing"),
]

# Fails the first time that it is run in a tree.
ONCE = ("if [ -e $SLUICE_BUILD/ran ]; then echo 'ok 1 - a race'; "
        "else touch $SLUICE_BUILD/ran; echo 'not ok 1 - a race'; exit 1; fi")

count = failures = 0


def check(passed, sentence, detail=""):
    global count, failures
    count += 1
    failures += not passed
    print(f"{'ok' if passed else 'not ok'} {count} - {sentence}")
    if not passed:
        print("\n".join("# " + line for line in str(detail).splitlines()))
    sys.stdout.flush()


def run_tree(script, header="timeout=1 may-skip", *args):
    """A tree with one end-to-end test in it, and the runner over it: (status, output)."""
    with tempfile.TemporaryDirectory(prefix="sluice-harness-") as root:
        shutil.copytree(os.path.join(ROOT, "selftests/harness"),
                        os.path.join(root, "selftests/harness"))
        os.makedirs(os.path.join(root, "scripts"))
        with open(os.path.join(root, "scripts/users.sh"), "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n")
        os.chmod(f.name, 0o755)
        os.makedirs(os.path.join(root, "selftests/e2e/f"))
        with open(os.path.join(root, "selftests/e2e/f/test_x.sh"), "w", encoding="ascii") as f:
            f.write(HEAD.format(header) + script + "\n")
        os.chmod(f.name, 0o755)
        env = {k: v for k, v in os.environ.items() if k != "SLUICE_REQUIRE_BPF"}
        done = subprocess.run([os.path.join(root, "selftests/harness/run.py"), "--build",
                               os.path.join(root, "build"),
                               *(args or ("--suite", "e2e", "--again", "0"))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, env=env, check=False)
        return done.returncode, done.stdout


def main():
    for sentence, output, statuses, missing in READINGS:
        results, left = reader.parse(output)
        got = " ".join(r.status for r in results)
        check(got == statuses and left == missing, f"reads {sentence}", f"{got!r}, {left} missing")
    results, _ = reader.parse(CMOCKA)
    check(results[2].reason == "no such thing here", "takes cmocka's reason from the line before",
          results[2])
    for sentence, script, last, wanted in PROGRAMS:
        status, out = run_tree(script)
        lines = out.splitlines()
        good = lines[-1:] == [last] and wanted in out and status == (0 if " 0 failed" in last else 1)
        check(good, f"counts {sentence}", f"status {status}\n{out}")
    status, out = run_tree("echo 'ok 1 - a'", "", "--suite", "nonsense")
    check(status == 2 and "no suite nonsense" in out, "refuses a suite that does not exist", out)
    status, out = run_tree("echo 'ok 1 - a'", "", "--match", "nothing-like-it")
    check(status == 1 and "no test matches" in out, "fails when no test matches", out)
    status, out = run_tree("echo 'ok 1 - a'", "", "--deadline", "1")
    check(status == 1 and "not started" in out, "starts nothing after the deadline, and fails", out)
    status, out = run_tree('[ -z "$(cat)" ] && [ ! -t 1 ] && [ -d "$TEST_TMPDIR" ] && echo "ok 1 - a"')
    check(status == 0, "gives a test no input, no terminal and a folder of its own", out)
    again = ("", "--suite", "e2e")
    status, out = run_tree(ONCE, *again)
    check(status == 0 and out.endswith("1 passed, 0 failed, 0 skipped\n")
          and "UNSTABLE e2e/f/test_x.sh: failed, and passed at the second go: a race" in out,
          "gives a program that failed a second go, and names it", out)
    status, out = run_tree("echo 'not ok 1 - a'; exit 1", *again)
    check(status == 1 and out.endswith("0 passed, 1 failed, 0 skipped\n") and "UNSTABLE" not in out,
          "gives no third one", out)
    status, out = run_tree("echo 'ok 1 - a'; echo '# unstable: b'", *again)
    check(status == 0 and out.splitlines()[-2].startswith("UNSTABLE") and ": b" in out,
          "names what a program itself calls unstable", out)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
