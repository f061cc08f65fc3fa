#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The table of the verifier's work, and what `make test-kernels` says of kernels that fail."""
import contextlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile

ROOT = os.environ.get("SLUICE_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
KERNELS = os.path.join(ROOT, "selftests/kernels")
INSNS = os.path.join(KERNELS, "insns.py")
sys.path.insert(0, KERNELS)
import boot  # noqa: E402

ROW = "6.1\t14\txdp_ingress\txdp_ingress\t{}\t{}\n"

# What the guest says on the second serial line, job "objects-14" having been asked for.
GOOD = "== kernel 6.1\n== begin objects-14\n6.1\t14\tx\tx\t1000\n== end objects-14 0 3.14\n== done\n"
# (sentence, results of the guest, its exit status, what has to be said)
GUESTS = [
    ("a guest that does its jobs passes", GOOD, 0, "ok 1 - objects-14: every program loads"),
    ("a guest that panics is a failure with its console", "== begin objects-14\n", 0, "Kernel panic"),
    ("a guest that loses power after its jobs is a failure", GOOD.replace("== done\n", ""), 0,
     "not ok 2 - Linux 6.1 runs all jobs"),
    ("an emulator that fails is a failure", GOOD, 1, "qemu ended with 1"),
    ("a guest that hangs is ended", "hang", 0, "still running after 2"),
    ("a program that does not load is a failure", GOOD.replace("4 0 3", "4 1 3"), 0,
     "not ok 1 - objects-14: every program loads"),
    ("growth is a failure", GOOD.replace("\t1000", "\t1101"), 0, "1101 instructions, 1000 in the table"),
]
QEMU = """#!/bin/sh
for word; do case $word in file:*console*) console=${word#file:} ;; file:*) out=${word#file:} ;; esac; done
echo 'Kernel panic - not syncing' >$console
cat RESULTS >$out
grep -q hang RESULTS && exec sleep 60
exit STATUS
"""

count = failures = 0


def check(passed, sentence, detail=""):
    global count, failures
    count += 1
    failures += not passed
    print(f"{'ok' if passed else 'not ok'} {count} - {sentence}")
    if not passed:
        print("\n".join("# " + line for line in str(detail).splitlines()))
    sys.stdout.flush()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def run(*argv, **env):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False, env={**os.environ, **env})
    return done.returncode, done.stdout


def check_table(folder):
    table, now = os.path.join(folder, "insns.tsv"), os.path.join(folder, "now")

    def insns(verb, before, after, reason=None):
        write(table, ROW.format(before, "new") if before else "")
        write(now, ROW.format(after, ""))
        words = [verb] + ([reason] if reason is not None else []) + [now]
        return run(INSNS, *words, TABLE=table)

    code, out = insns("check", 1000, 1100)
    check(code == 0 and not out, "growth by 10 % is accepted", out)
    code, out = insns("check", 1000, 1101)
    check(code == 1 and "1101 instructions, 1000 in the table" in out, "planted growth is found", out)
    code, out = insns("check", None, 1000)
    check(code == 0 and "warning:" in out, "a kernel without any row is named and not judged", out)
    write(table, ROW.replace("xdp", "tc").format(1000, "new"))
    code, out = run(INSNS, "check", now, TABLE=table)
    check(code == 1 and "no row in insns.tsv" in out, "a new program needs a row", out)
    write(now, "")
    code, out = run(INSNS, "check", now, TABLE=table)
    check(code == 1 and "nothing was measured" in out, "measuring nothing is a failure", out)

    code, out = insns("update", 1000, 1101, "")
    check(code == 1 and "REASON" in out, "the table takes no growth without a reason", out)
    code, out = insns("update", 1000, 1101, "a tier more")
    with open(table, encoding="utf-8") as f:
        check(code == 0 and ROW.format(1101, "a tier more") in f.read(), "with one it does", out)
    code, out = insns("update", 1000, 1090, "a tier more")
    with open(table, encoding="utf-8") as f:
        check(ROW.format(1000, "new") in f.read(), "small steps leave the row, and so add up", out)
    insns("update", 1000, 500, "")
    with open(table, encoding="utf-8") as f:
        check(ROW.format(500, "new") in f.read(), "the table follows down", out)


def fake_build(folder):
    """A build with an unpacked kernel, one object, and a table for it."""
    build = os.path.join(folder, "build")
    write(build + "/kernels/linux/6.1/boot/vmlinuz-6.1", "")
    write(build + "/kernels/linux/6.1/package", "linux-image-6.1.deb\n")
    write(build + "/kernels/clang-14/bpf/x.bpf.o", "")
    shutil.copy("/bin/true", build + "/kernels/load_objects")
    write(folder + "/table", "6.1\t14\tx\tx\t1000\tnew\n")
    return build


def check_guests(folder):
    build = fake_build(folder)
    # Whatever the machine lacks of the guest's tools is not what is tested here.
    for tool in ("busybox", "dash", "ip", "tc", "sysctl", "ethtool", "bpftool"):
        write(f"{folder}/bin/{tool}", "#!/bin/sh\n", 0o755)
    for sentence, results, status, wanted in GUESTS:
        write(folder + "/results", results)
        write(folder + "/bin/qemu-system-x86_64", QEMU.replace("RESULTS", folder + "/results").replace(
            "STATUS", str(status)), stat.S_IRWXU)
        code, out = run(os.path.join(KERNELS, "boot.py"), "6.1", SLUICE_BUILD=build, TABLE=folder + "/table",
                        KERNELS_ONLY="objects", KERNELS_LIMIT_S="2" if results == "hang" else "20",
                        PATH=folder + "/bin:" + os.environ["PATH"])
        check(wanted in out and (code == 0) == (results == GOOD and not status), sentence, out)


def check_goes():
    """Which go of a test program counts."""
    first, good, bad = ("not ok 1 - a race\n", "1", "3"), ("ok 1 - a race\n", "0", "4"), ("", "139", "4")
    for sentence, sections, counts, says in (
            ("a test program that passes has one go", {"x": good}, good, ""),
            ("one that fails has a second, and is named", {"x": first, "x~2": good}, good,
             "# unstable: x: a race\n# not ok 1 - a race\n"),
            ("one that fails twice is a failure", {"x": first, "x~2": bad}, first, "")):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            got = boot.last_go(sections, "x")
        check(got == counts and out.getvalue() == says, sentence, f"{got} {out.getvalue()}")


def check_missing(folder):
    for tool, text in (("apt-cache", "echo linux-image-6.1.0-9-cloud-amd64-unsigned"),
                       ("apt-get", "echo 'E: Temporary failure resolving'; exit 100")):
        write(f"{folder}/offline/{tool}", f"#!/bin/sh\n{text}\n", 0o755)
    code, out = run(os.path.join(KERNELS, "boot.py"), "6.1", SLUICE_BUILD=folder + "/none",
                    PATH=folder + "/offline:" + os.environ["PATH"])
    lines = [l for l in out.splitlines() if "cannot be downloaded" in l]
    check(code == 1 and len(lines) == 1 and "Temporary failure resolving" in lines[0],
          "without a network there is one clear error", out)
    write(f"{folder}/offline/apt-cache", "#!/bin/sh\n", 0o755)
    code, out = run(os.path.join(KERNELS, "boot.py"), "6.1", SLUICE_BUILD=folder + "/none",
                    PATH=folder + "/offline:" + os.environ["PATH"])
    check(code == 1 and "apt knows no package" in out, "a package that apt does not know is named", out)
    code, out = run(os.path.join(KERNELS, "boot.py"), "0.1", SLUICE_BUILD=folder + "/none")
    check(code == 1 and "no kernel 0.1 in kernels.txt" in out, "a kernel without a row is named", out)


def main():
    folder = tempfile.mkdtemp(prefix="sluice-kernels-")
    try:
        check_table(folder)
        check_goes()
        check_guests(folder)
        check_missing(folder)
    finally:
        shutil.rmtree(folder)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
