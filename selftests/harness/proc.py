# SPDX-License-Identifier: BSD-2-Clause
"""Runs one test program in a session of its own, and ends everything that it started."""
import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 5.0

_running = set()  # sessions of the programs that were started and have not ended


@dataclass
class Outcome:
    code: int  # as of waitpid: negative for a signal
    timed_out: bool
    left_behind: list  # "pid command" of what was still running after the program had ended
    seconds: float


def become_subreaper():
    """Daemons of a test that leave its session become our children, and are found there."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid):
    """(parent, session, state, name) of a process, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return int(rest[1]), int(rest[3]), rest[0], name


def _members(session, reparented):
    """Live processes of a session; with reparented also our own children and theirs."""
    table = {int(d): _stat(int(d)) for d in os.listdir("/proc") if d.isdigit()}
    table = {pid: s for pid, s in table.items() if s and s[2] != "Z"}
    found = {pid for pid, s in table.items() if s[1] == session}
    if reparented:
        mine = {os.getpid()}
        while True:
            more = {pid for pid, s in table.items() if s[0] in mine} - mine
            if not more:
                break
            mine |= more
        found |= mine - {os.getpid()}
    return {pid: table[pid][3] for pid in found}


def _reap():
    """Collect reparented zombies; Popen.poll() copes with one of its own having gone."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _end(session, alone, sig):
    for pid in _members(session, alone):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def _wait_gone(session, alone, seconds):
    deadline = time.monotonic() + seconds
    while True:
        if alone:
            _reap()
        left = _members(session, alone)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def stop_all():
    """From another thread: end what run() is waiting for."""
    for pid in list(_running):
        _end(pid, False, signal.SIGTERM)


def run(argv, log_path, timeout_s, env, cwd, alone):
    """
    Run argv with its output in log_path.
      alone  no other program runs at the same time, so that every child of ours is this one's
    """
    start = time.monotonic()
    with open(log_path, "wb") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                 env=env, cwd=cwd, start_new_session=True)
        _running.add(child.pid)
        timed_out = False
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            # The program first: its own clean-up (namespaces, mounts) is better than ours.
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                pass
        finally:
            _running.discard(child.pid)
    left = _wait_gone(child.pid, alone, 0 if timed_out else 2.0)
    if left:
        _end(child.pid, alone, signal.SIGTERM)
        if _wait_gone(child.pid, alone, GRACE_S):
            _end(child.pid, alone, signal.SIGKILL)
            _wait_gone(child.pid, alone, GRACE_S)
    code = child.poll()
    left = [] if timed_out else [f"{pid} {name}" for pid, name in sorted(left.items())]
    return Outcome(-signal.SIGKILL if code is None else code, timed_out, left,
                   time.monotonic() - start)
