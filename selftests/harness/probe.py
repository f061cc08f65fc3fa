# SPDX-License-Identifier: BSD-2-Clause
"""What this machine lets tests do: root, bpf(2), the bpffs, network namespaces, users."""
import ctypes
import os
import platform
import struct
import subprocess

BPFFS = "/sys/fs/bpf"
BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY = 0, 2
SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}


def _run(*argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        return f"{argv[0]}: {error.strerror}"
    return "" if done.returncode == 0 else f"{' '.join(argv)}: {done.stdout.strip()}"


def bpf_works():
    """'' or why bpf(2) refuses even an array map."""
    number = SYS_BPF.get(platform.machine())
    if number is None:
        return f"the number of bpf(2) on {platform.machine()} is not known here"
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(struct.pack("=IIII", BPF_MAP_TYPE_ARRAY, 4, 4, 1), 128)
    fd = libc.syscall(number, BPF_MAP_CREATE, attr, 72)
    if fd < 0:
        return f"bpf(2) refuses a map: {os.strerror(ctypes.get_errno())}"
    os.close(fd)
    return ""


def _bpffs_is_mounted():
    with open("/proc/mounts", encoding="utf-8") as f:
        return any(line.split()[1:3] == [BPFFS, "bpf"] for line in f)


def prepare_bpffs(say):
    if _bpffs_is_mounted():
        return ""
    say(f"mounting the bpffs at {BPFFS}")
    return _run("mount", "-t", "bpf", "bpf", BPFFS)


def probe(root_dir, say):
    """{need: '' or the reason why it is not there}; sets up what only takes root."""
    if os.geteuid() != 0:
        reason = "not root"
        return {"root": reason, "bpf": reason, "netns": reason, "users": reason}
    bpf = bpf_works()
    return {
        "root": "",
        "bpf": bpf or prepare_bpffs(say),
        "netns": _run("unshare", "-n", "ip", "link", "add", "sl-probe0", "type", "veth",
                      "peer", "name", "sl-probe1"),
        "users": _run(os.path.join(root_dir, "scripts/users.sh")),
    }
