# SPDX-License-Identifier: BSD-2-Clause
"""Writes the guest's file system: a cpio archive of busybox, the test programs and their libraries."""
import os
import re
import shutil
import stat
import subprocess

from kernel import Missing

SEARCH = os.environ.get("PATH", "/usr/bin") + ":/usr/sbin:/usr/bin:/sbin:/bin"
# dash, since busybox' shell takes its own ip(8) and sysctl(8) before those in PATH.
TOOLS = ("dash", "ip", "tc", "sysctl", "ethtool", "bpftool")
# Links into /usr, as on Debian.
MERGED = ("lib/", "lib64/")
DISPATCHER = "bpf/xdp-dispatcher.o"
PASSWD = """root:x:0:0:root:/:/bin/sh
sluice:x:990:990::/:/bin/false
sluice-worker:x:991:991::/:/bin/false
nobody:x:65534:65534::/:/bin/false
"""
GROUP = "root:x:0:\nsluice:x:990:\nsluice-worker:x:991:\nnogroup:x:65534:\n"


class Archive:
    """cpio, format newc (Documentation/driver-api/early-userspace/buffer-format)."""

    def __init__(self, out):
        self.out, self.names = out, set()

    def _entry(self, name, mode, data):
        raw = name.encode() + b"\0"
        fields = (len(self.names) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        self.out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def folder(self, name):
        name = name.strip("/")
        if name and name not in self.names:
            self.folder(os.path.dirname(name))
            self.names.add(name)
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def data(self, name, data, mode=0o644):
        name = name.strip("/")
        if name.startswith(MERGED):
            name = "usr/" + name
        if name in self.names:
            return
        self.folder(os.path.dirname(name))
        self.names.add(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.names.add(name.strip("/"))
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def file(self, name, path):
        with open(path, "rb") as f:
            self.data(name, f.read(), os.stat(path).st_mode & 0o777)

    def end(self):
        self._entry("TRAILER!!!", 0, b"")


def _tool(name):
    path = shutil.which(name, path=SEARCH)
    if not path:
        raise Missing(f"{name} is not installed; `make deps` does it")
    return path


def libraries(path):
    """What the dynamic loader would map for a program, with the loader itself."""
    done = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if "not found" in done.stdout:
        raise Missing(f"ldd {path}: {done.stdout.strip()}")
    return re.findall(r"(/\S+) \(0x", done.stdout)


def _program(archive, name, path):
    archive.file(name, path)
    for library in libraries(path):
        archive.file(library, library)


def _dispatcher(archive, program):
    """The object that libxdp loads lies beside libxdp."""
    for library in libraries(program):
        path = os.path.join(os.path.dirname(library), DISPATCHER)
        if "libxdp" in library and os.path.exists(os.path.realpath(path)):
            archive.file(path, path)


def write(path, init, modules, programs, files):
    """
    Write the archive to path.
      modules   paths of .ko files; /modules.txt names them in the order given
      programs  {name in the guest: path}: executables, which bring their libraries
      files     {name in the guest: path or text}
    Raises Missing.
    """
    with open(path + ".part", "wb") as out:
        archive = Archive(out)
        for folder in ("proc", "sys", "dev", "run", "tmp", "bin", "etc"):
            archive.folder(folder)
        for folder in MERGED:
            archive.folder("usr/" + folder)
            archive.link(folder, "usr/" + folder.strip("/"))
        archive.file("init", init)
        _program(archive, "bin/busybox", _tool("busybox"))
        for tool in TOOLS:
            _program(archive, "usr/sbin/" + tool, _tool(tool))
        archive.link("bin/sh", "/usr/sbin/dash")
        archive.data("etc/passwd", PASSWD.encode())
        archive.data("etc/group", GROUP.encode())
        for module in modules:
            archive.file("modules/" + os.path.basename(module), module)
        archive.data("modules.txt", "".join(os.path.basename(m) + "\n" for m in modules).encode())
        for name, program in programs.items():
            _program(archive, name, program)
            _dispatcher(archive, program)
        for name, content in files.items():
            if os.path.exists(content):
                archive.file(name, content)
            else:
                archive.data(name, content.encode())
        archive.end()
    os.rename(path + ".part", path)
