# SPDX-License-Identifier: BSD-2-Clause
"""Reads the results out of a test program's output: TAP, and cmocka's dialect of it."""
import re
from dataclasses import dataclass

RESULT = re.compile(r"^(not )?ok\b(?: +(\d+)(?![\w.:]))?(?: *-)? *(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$", re.I)
SKIP = re.compile(r"(?:^|\s)#\s*SKIP\b:?\s*(.*)$", re.I)


@dataclass
class Result:
    status: str  # passed, failed, skipped
    title: str
    reason: str = ""


def _result(match, before):
    failed, _, rest = match.groups()
    skip = SKIP.search(rest)
    if not skip:
        return Result("failed" if failed else "passed", rest.strip() or "(unnamed)")
    title = rest[: skip.start()].strip()
    if title:
        return Result("skipped", title, skip.group(1).strip())
    # cmocka 1.1.5 prints "not ok 3 # SKIP name" and knows no reason: it is what the test printed last.
    return Result("skipped", skip.group(1).strip(), before)


def parse(text):
    """Returns (results, tests announced by plans and not reported)."""
    results, planned, announced, before = [], 0, 0, ""
    for line in text.splitlines():
        plan = PLAN.match(line)
        match = RESULT.match(line)
        if plan:
            announced = 1
            planned += int(plan.group(1))
            if int(plan.group(1)) == 0:
                results.append(Result("skipped", "the whole program", (plan.group(2) or "").strip()))
                planned += 1
        elif match:
            result = _result(match, before)
            # A failed group setup is number 0, in no plan, and its tests never report.
            if match.group(2) == "0" and result.status == "failed":
                planned += 1
            results.append(result)
            before = ""
        elif line.strip() and not line.startswith("#"):
            before = line.strip()
    return results, max(0, planned - len(results)) if announced else 0
