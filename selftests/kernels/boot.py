#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
boot.py NAME: boot that kernel (kernels.txt) under qemu, run the BPF tests in it, and print TAP.
Reads what `make kernels-bin` built below $SLUICE_BUILD; all that it writes is in $SLUICE_BUILD/kernels.
"""
import glob
import os
import re
import signal
import subprocess
import sys
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "selftests/harness"))
import initramfs  # noqa: E402
import insns  # noqa: E402
import kernel  # noqa: E402
import suites  # noqa: E402
import tap  # noqa: E402

# The emulator is several times slower than the machine; a test's own time limit grows with it.
SLOWER = 4
LOAD_S = 120
GUEST_MIB = 1536
# Without ERMS: a kernel that has it copies and clears by `rep movsb`, byte by byte in the emulator,
# and the verifier copies states all the time. A third of all time.
CPU = "max,-erms"
# Four levels of page tables to walk, not five; memory that the kernel hands out is not cleared when
# nobody asks for that. Its clock is the HPET: what the TSC is worth is measured at boot, and on a busy
# machine a guest's seconds were a fifth of ours.
KERNEL_LINE = "console=ttyS0 panic=-1 rdinit=/init mitigations=off nokaslr no5lvl init_on_alloc=0"
CONSOLE_TAIL = 25
SECTION = re.compile(r"^== begin (\S+)\n(.*?)^== end \1 (\d+) ([\d.]+)$", re.S | re.M)


class Results:
    def __init__(self):
        self.n = self.failed = 0

    def __call__(self, status, sentence, reason=""):
        self.n += 1
        self.failed += status == "failed"
        text = f"{'not ok' if status == 'failed' else 'ok'} {self.n} - {sentence}"
        if status == "skipped":
            text += f" # SKIP {reason}"
        elif reason:
            text += "\n" + "\n".join("# " + line for line in reason.splitlines())
        print(text, flush=True)


def objects_jobs(build):
    """(rows of /jobs, programs, files): load the objects of each compiler."""
    rows, files = [], {}
    for folder in sorted(glob.glob(os.path.join(build, "kernels/clang-*"))):
        label = os.path.basename(folder).split("-")[1]
        for path in sorted(glob.glob(os.path.join(folder, "bpf/*.bpf.o"))):
            files[f"objects/{label}/{os.path.basename(path)}"] = path
        rows.append(f"objects-{label} {LOAD_S} /load_objects {label} /objects/{label}/*.bpf.o")
    return rows, {"load_objects": os.path.join(build, "kernels/load_objects")}, files


def test_jobs(build):
    """(rows of /jobs, programs): the suite bpf, but for what does not depend on the kernel."""
    rows, programs = [], {}
    for program in suites.bpf(types.SimpleNamespace(root=ROOT, build=build)):
        if program.own_kernel:
            continue
        if not os.access(program.argv[0], os.X_OK):
            raise kernel.Missing(f"{program.argv[0]} was not built: `make kernels-bin`")
        programs["tests/" + program.name] = program.argv[0]
        rows.append(f"{program.name} {program.timeout_s * SLOWER:.0f} /tests/{program.name}")
    return rows, programs


def jobs(build):
    """(rows of /jobs, programs, files) of the guest; KERNELS_ONLY is a pattern over the names."""
    only = os.environ.get("KERNELS_ONLY", "")
    rows, programs, files = objects_jobs(build)
    if only != "objects":
        more = test_jobs(build)
        rows += more[0]
        programs.update(more[1])
    rows = [row for row in rows if re.match(only, row)]
    files["slower"] = f"{SLOWER}\n"
    files["jobs"] = "".join(row + "\n" for row in rows)
    return rows, programs, files


def qemu(k, archive, console, output):
    return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2",
            "-m", str(GUEST_MIB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-net", "none", "-serial", f"file:{console}", "-serial", f"file:{output}",
            "-kernel", k.image, "-initrd", archive, "-append", KERNEL_LINE]


def boot(argv, limit_s):
    """Run the guest to its end; '' or what ended it."""
    try:
        guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise kernel.Missing(f"{argv[0]}: {error.strerror}; `make deps` installs it") from error

    def stop(*_):
        guest.kill()
        guest.wait()
        sys.exit(1)

    signal.signal(signal.SIGTERM, stop)
    try:
        code = guest.wait(limit_s)
    except subprocess.TimeoutExpired:
        guest.kill()
        guest.wait()
        return f"still running after {limit_s} s"
    return f"qemu ended with {code}" if code else ""


def text_of(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().replace("\r", "")


def judge_program(result, name, text, code):
    """One test program's results, by the harness' rules."""
    results, missing = tap.parse(text)
    for r in results:
        result(r.status, f"{name}: {r.title}", r.reason)
    if any(r.status == "failed" for r in results):
        print("\n".join("# " + line for line in text.splitlines() if not line.startswith("ok ")))
    elif code or missing or not results:
        result("failed", f"{name} exits with 0 and reports all its tests",
               f"status {code}, {len(results)} reported, {missing} missing\n{text}")


def last_go(sections, name):
    """What counts of a program's one or two goes; what failed in the first is named."""
    second = sections.get(name + "~2")
    if not second or second[1] != "0":
        return sections[name]
    failed = [r.title for r in tap.parse(sections[name][0])[0] if r.status == "failed"]
    for title in failed or [f"status {sections[name][1]}"]:
        print(f"# unstable: {name}: {title}")
    print("\n".join("# " + line for line in sections[name][0].splitlines() if not line.startswith("ok ")))
    return second


def judge_objects(result, name, text, code, measured):
    """What load_objects printed: all loaded, and none much larger than the table says."""
    rows = [row for row in map(insns.parse, text.splitlines()) if row]
    measured += rows
    result("failed" if code or not rows else "passed", f"{name}: every program loads",
           text if code or not rows else "")
    for finding in insns.findings(insns.read(), rows):
        result("failed", f"{name}: the verifier's work grows by no more than {insns.GROWTH_PERCENT} %",
               finding)


def run(name, build, result):
    folder = os.path.join(build, "kernels")
    work = os.path.join(folder, "run-" + name)
    console, output = os.path.join(work, "console.log"), os.path.join(work, "results.log")
    os.makedirs(work, exist_ok=True)
    k = kernel.get(name, os.path.join(folder, "linux"))
    rows, programs, files = jobs(build)
    archive = os.path.join(work, "initramfs")
    initramfs.write(archive, os.path.join(HERE, "init"), k.modules, programs, files)
    for path in (console, output):
        if os.path.exists(path):
            os.unlink(path)
    start = time.monotonic()
    ended = boot(qemu(k, archive, console, output), float(os.environ.get("KERNELS_LIMIT_S", "1240")))
    text = text_of(output)
    print(f"# {k.package}: {time.monotonic() - start:.1f} s")
    sections, measured = {s[0]: s[1:] for s in SECTION.findall(text)}, []
    for row in rows:
        job = row.split()[0]
        if job not in sections:
            continue
        body, code, seconds = last_go(sections, job)
        print(f"# {job}: ended {seconds} s after boot")
        if job.startswith("objects-"):
            judge_objects(result, job, body, int(code), measured)
        else:
            judge_program(result, job, body, int(code))
    insns.write_measured(os.path.join(work, "insns.tsv"), measured)
    lost = [row.split()[0] for row in rows if row.split()[0] not in sections]
    if ended or lost or not re.search("^== done$", text, re.M):
        tail = (text.splitlines()[-CONSOLE_TAIL:] + ["-- console:"]
                + text_of(console).splitlines()[-CONSOLE_TAIL:])
        result("failed", f"Linux {name} runs all jobs and powers off",
               f"{ended or 'it stopped'}; without an end: {' '.join(lost)}\n" + "\n".join(tail))


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip())
        return 2
    result = Results()
    try:
        run(sys.argv[1], os.path.abspath(os.environ.get("SLUICE_BUILD", "build")), result)
    except kernel.Missing as error:
        result("failed", f"Linux {sys.argv[1]} can be booted here", str(error))
    print(f"1..{result.n}")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
