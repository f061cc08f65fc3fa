# SPDX-License-Identifier: BSD-2-Clause
"""What the checks share: the files of the tree, findings, and C source without its comments."""
import os
import re
import subprocess
import sys

# Written by tools; judged by nobody.
GENERATED = re.compile(r"(^|/)vmlinux[^/]*\.h$")
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".cache"}


def files(root):
    """All files below root that git would know: tracked, or new and not ignored. Sorted."""
    found = []
    if os.path.exists(os.path.join(root, ".git")):
        done = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co",
                               "--exclude-standard"], stdout=subprocess.PIPE, check=True)
        names = done.stdout.decode().split("\0")
        found = [f for f in names if f and os.path.isfile(os.path.join(root, f))]
    else:
        for folder, folders, names in os.walk(root):
            folders[:] = [d for d in folders if d not in SKIPPED_FOLDERS]
            found += [os.path.relpath(os.path.join(folder, n), root) for n in names]
    return sorted(f for f in set(found) if not GENERATED.search(f))


def c_files(root):
    return [f for f in files(root) if f.endswith((".c", ".h"))]


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def shebang(root, path):
    with open(os.path.join(root, path), "rb") as f:
        line = f.readline(200)
    return line.decode("utf-8", "replace").strip() if line.startswith(b"#!") else ""


_TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare(text):
    """C source with comments and the content of literals blanked; lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[0]
    return _TOKENS.sub(blank, text)


def root_of(argv):
    """The tree to check: an argument, or the one that these scripts are in."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.abspath(argv[1]) if len(argv) > 1 else here


def finish(findings, warnings=()):
    """Print and leave: 1 when there is a finding."""
    for line in warnings:
        print("warning: " + line)
    for line in findings:
        print(line)
    sys.exit(1 if findings else 0)
