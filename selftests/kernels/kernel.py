# SPDX-License-Identifier: BSD-2-Clause
"""Fetches Debian's kernel packages and unpacks what a guest needs of them; nothing is installed."""
import glob
import lzma
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Missing(Exception):
    """A kernel cannot be had here; the text is for the one who runs the tests."""


@dataclass
class Kernel:
    name: str
    image: str
    modules: list  # paths of unpacked .ko files, in the order of insertion
    package: str


def rows(name):
    """Words of each line of a table in this folder."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return [line.split() for line in f if line.strip() and line[0] != "#"]


def names():
    return [row[0] for row in rows("kernels.txt")]


def _command(*argv, cwd=None):
    try:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Missing(f"{argv[0]}: {error.strerror}; `make deps` installs it") from error
    if done.returncode:
        last = [l for l in done.stdout.splitlines() if l.strip()][-1:]
        raise Missing(f"`{' '.join(argv)}` failed: {''.join(last) or done.returncode}")
    return done.stdout


def _package(name, pattern):
    """The newest package in apt's lists whose name matches."""
    found = [p for p in _command("apt-cache", "pkgnames", "linux-image-" + name).split()
             if re.fullmatch(pattern, p)]
    if not found:
        raise Missing(f"apt knows no package {pattern}: run `apt-get update`, with a suite that has "
                      f"Linux {name} among its sources (kernels.txt)")
    return max(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p)])


def _fetch(name, pattern, folder):
    """Download and unpack into folder, which appears only when it is complete."""
    package, work = _package(name, pattern), folder + ".part"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    try:
        _command("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package, cwd=work)
    except Missing as error:
        raise Missing(f"Linux {name} is not in {folder}, and cannot be downloaded: {error}") from error
    deb = glob.glob(os.path.join(work, "*.deb"))[0]
    _command("dpkg", "-x", deb, work)
    os.unlink(deb)
    with open(os.path.join(work, "package"), "w", encoding="utf-8") as f:
        f.write(os.path.basename(deb) + "\n")
    os.rename(work, folder)


def _unpacked(path):
    """The .ko of a .ko or .ko.xz: busybox's insmod takes no other."""
    if not path.endswith(".xz"):
        return path
    plain = path[: -len(".xz")]
    if not os.path.exists(plain):
        with lzma.open(path) as source, open(plain + ".part", "wb") as out:
            shutil.copyfileobj(source, out)
        os.rename(plain + ".part", plain)
    return plain


def _modules(folder):
    """Paths of the modules of modules.txt, each after those that it depends on."""
    there = {}
    for path in glob.glob(os.path.join(folder, "lib/modules/*/kernel/**/*.ko*"), recursive=True):
        module = os.path.basename(path).split(".ko")[0].replace("-", "_")
        if not path.endswith(".part"):
            there[module] = path
    order = []

    def add(module):
        if module not in there:
            return  # built in, or not built: the tests say which
        path = _unpacked(there[module])
        with open(path, "rb") as f:
            needs = DEPENDS.search(f.read())
        for other in needs.group(1).decode().split(",") if needs else ():
            if other:
                add(other.replace("-", "_"))
        if path not in order:
            order.append(path)

    for row in rows("modules.txt"):
        add(row[0])
    return order


def get(name, cache):
    """The kernel of that row, downloaded unless it is below cache already. Raises Missing."""
    patterns = dict(row[:2] for row in rows("kernels.txt"))
    if name not in patterns:
        raise Missing(f"no kernel {name} in kernels.txt; there are: {' '.join(patterns)}")
    folder = os.path.join(cache, name)
    if not os.path.isdir(folder):
        os.makedirs(cache, exist_ok=True)
        _fetch(name, patterns[name], folder)
    images = glob.glob(os.path.join(folder, "boot/vmlinuz-*"))
    if len(images) != 1:
        raise Missing(f"{folder} has no kernel image: remove that folder, and it is fetched anew")
    with open(os.path.join(folder, "package"), encoding="utf-8") as f:
        package = f.read().strip()
    return Kernel(name, images[0], _modules(folder), package)
