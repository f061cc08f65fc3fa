#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each check of scripts/lint finds a planted violation, and is silent about a clean sample."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.environ.get("SLUICE_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LINT = os.path.join(ROOT, "scripts/lint")
BSD = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
DUAL = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n"
SH = "#!/bin/sh\n# SPDX-License-Identifier: BSD-2-Clause\n"
MAN = """.Dd November 21, 2026
.Dt SLUICED 8
.Os
.Sh NAME
.Nm sluiced
.Nd edge gateway
.Sh DESCRIPTION
It runs.
"""


def body(lines, name="work"):
    """A function whose braces are `lines` lines apart, both counted."""
    return f"int {name}(int x)\n{{\n" + "\tx++;\n" * (lines - 3) + "\treturn x;\n}\n"

ERRMSG = """#pragma once
struct errmsg;
int errmsg_set(struct errmsg *err, int code, const char *fmt, ...);
"""

# What every sample has, so that its only fault is the planted one.
CLEAN = {
    "Makefile": "# SPDX-License-Identifier: BSD-2-Clause\nall:\n",
    "include/sluice/abi/vip.h": DUAL + "#pragma once\n",
    "bpf/stage/vip.h": DUAL + '#pragma once\n#include "../pipeline.h"\n',
    "bpf/stage/acl.h": DUAL + '#pragma once\n#include "acl_list.h"\n#include "acl_hash.h"\n',
    "bpf/stage/acl_list.h": DUAL + '#pragma once\n#include "acl_hash.h"\n',
    "bpf/stage/acl_hash.h": DUAL + "#pragma once\n",
    "bpf/pipeline.h": DUAL + '#pragma once\n#include "sluice/abi/vip.h"\n',
    "bpf/xdp_ingress.bpf.c": DUAL + '#include "stage/acl.h"\n#include "stage/vip.h"\n',
    "user/base/buf.h": BSD + "#pragma once\n",
    "user/base/buf.c": BSD + '#include "buf.h"\n' + body(60),
    "user/base/errmsg.h": BSD + ERRMSG,
    "user/http/h1/parse.c": BSD + '#include "../message.h"\n#include "base/buf.h"\n',
    "user/http/message.h": BSD + "#pragma once\n",
    "user/tls/tls.h": BSD + "#pragma once\n",
    "user/policy/policy.h": BSD + "#pragma once\n",
    "user/policy/limit.h": BSD + '#pragma once\n#include "policy.h"\n',
    "user/policy/limit.c": BSD + '#include "limit.h"\n',
    "user/policy/api_key.c": BSD + '#include "policy.h"\n',
    "user/monitor/monitor.c": BSD + "#include <stdio.h>\n",
    "tools/sluicectl/main.c": BSD + '#include "base/buf.h"\n',
    "scripts/greet.sh": SH + 'echo "$1"\n',
    "docs/man/sluiced.8": MAN,
}

# (check, sentence, {path: text} over CLEAN, what the finding has to say)
PLANTED = [
    ("layers", "a lower room that includes a higher one",
     {"user/base/buf.c": BSD + '#include "buf.h"\n#include "http/message.h"\n'},
     "user/base/buf.c:3: may not include user/http/message.h"),
    ("layers", "a room that includes its neighbour of the same level",
     {"user/http/message.h": BSD + '#pragma once\n#include "../tls/tls.h"\n'}, "user/tls/tls.h"),
    ("layers", "a stage that includes another stage",
     {"bpf/stage/vip.h": DUAL + '#include "acl.h"\n'}, "files of bpf/stage do not see each other"),
    ("layers", "a stage that includes a part of another stage",
     {"bpf/stage/vip.h": DUAL + '#include "acl_hash.h"\n'},
     "bpf/stage/vip.h:2: may not include bpf/stage/acl_hash.h"),
    ("layers", "a policy that includes another policy",
     {"user/policy/api_key.c": BSD + '#include "limit.h"\n'},
     "files of user/policy do not see each other"),
    ("layers", "the agent including the BPF side",
     {"user/policy/limit.c": BSD + '#include "../../bpf/pipeline.h"\n'}, "is on the user side"),
    ("layers", "the CLI including a room of the agent",
     {"tools/sluicectl/main.c": BSD + '#include "http/message.h"\n'}, "user/http/message.h"),
    ("layers", "a folder that is in no row of the table",
     {"user/magic/wand.c": BSD}, "user/magic/wand.c:1: in no row"),
    ("budgets", "a .c file over 600 lines", {"user/base/long.c": BSD + "int x;\n" * 600},
     "user/base/long.c:1: the file has 601 lines"),
    ("budgets", "a .c file over 1,000 lines even with a reason",
     {"user/base/long.c": BSD + "int x;\n" * 1000,
      "scripts/lint/budget_reasons.txt": "user/base/long.c tables\n"}, "more than 1000"),
    ("budgets", "a header over 250 lines", {"user/base/long.h": BSD + "int x;\n" * 250},
     "user/base/long.h:1: the file has 251 lines"),
    ("budgets", "a function over 60 lines", {"user/base/f.c": BSD + body(61)},
     "user/base/f.c:3: work() has 61 lines"),
    ("budgets", "a function over 100 lines even with a reason",
     {"user/base/f.c": BSD + body(101),
      "scripts/lint/budget_reasons.txt": "user/base/f.c:work a table\n"}, "more than 100"),
    ("budgets", "a long function behind braces in literals, comments and initialisers",
     {"user/base/f.c": BSD + 'struct s { int a; } s = { 1 };\n/* { */ char c = \'{\';\n'
      '#define M(x) \\\n\tdo { x\nstatic const char *t[] = { "}", "{" };\n' + body(61)},
     "work() has 61 lines"),
    ("budgets", "a monitor over 400 lines",
     {"user/monitor/a.c": BSD + "int x;\n" * 250, "user/monitor/b.c": BSD + "int x;\n" * 250},
     "user/monitor: "),
    ("budgets", "a reason that is not needed any more",
     {"scripts/lint/budget_reasons.txt": "user/base/buf.c grew\n"}, "remove the row"),
    ("spdx", "a source without a license", {"user/base/x.c": "int x;\n"},
     "user/base/x.c:1: no line SPDX-License-Identifier: BSD-2-Clause"),
    ("spdx", "a BPF source under the wrong license", {"bpf/stage/nat.h": BSD},
     "bpf/stage/nat.h:1: license BSD-2-Clause, not GPL-2.0-only OR BSD-2-Clause"),
    ("spdx", "a script without a license", {"scripts/x": "#!/bin/sh\necho\n"}, "scripts/x:1"),
    ("names", "utils.c", {"user/base/utils.c": BSD}, "user/base/utils.c"),
    ("names", "http_helpers.h", {"user/http/http_helpers.h": BSD}, "user/http/http_helpers.h"),
    ("names", "a folder misc", {"user/misc/x.c": BSD}, "user/misc: a folder's name"),
    ("names", "an event without a dot",
     {"user/base/buf.c": BSD + 'void f(void)\n{\n\tlog_warn(\n\t\t"device_lost");\n}\n'},
     "user/base/buf.c: the event device_lost is not noun.verb"),
    ("names", "a stranger at the top level", {"NOTES.txt": "x\n"}, "NOTES.txt: does not belong"),
    ("format", "a badly formatted file", {"user/base/x.c": BSD + "int  x ( ) { return 1;}\n"},
     "user/base/x.c:2: clang-format would change"),
    ("shell", "an unquoted variable", {"scripts/greet.sh": SH + "rm $1\n"}, "SC2086"),
    ("shell", "a Python file that does not parse",
     {"scripts/x.py": "# SPDX-License-Identifier: BSD-2-Clause\ndef (:\n"}, "scripts/x.py:2"),
    ("man", "a section that man pages do not have",
     {"docs/man/sluiced.8": MAN + ".Xyz unknown macro\n"}, "docs/man/sluiced.8:9"),
]

TIDY_BAD = BSD + """#include <stdlib.h>
int leak(void);
int leak(void)
{
	char *p = malloc(4);
	return p != NULL;
}
"""


def write(root, tree):
    for path, text in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


class Tap:
    count = failures = 0

    def __call__(self, passed, sentence, detail=""):
        self.count += 1
        self.failures += not passed
        print(f"{'ok' if passed else 'not ok'} {self.count} - {sentence}")
        if not passed:
            print("\n".join("# " + line for line in detail.splitlines()))
        sys.stdout.flush()


def sample(folder, planted):
    root = tempfile.mkdtemp(dir=folder)
    write(root, {**CLEAN, "scripts/lint/budget_reasons.txt": "", **planted})
    os.makedirs(os.path.join(root, "scripts/lint"), exist_ok=True)
    shutil.copy(os.path.join(LINT, "layers.txt"), os.path.join(root, "scripts/lint/layers.txt"))
    shutil.copy(os.path.join(ROOT, ".clang-format"), root)
    return root


def run(*argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def check_tidy(tap, folder):
    """clang-tidy and its cache: a finding is found twice, a clean file is looked at once."""
    root = sample(folder, {"user/base/leak.c": TIDY_BAD})
    shutil.copy(os.path.join(ROOT, ".clang-tidy"), root)
    tidy = [os.path.join(LINT, "tidy.py"), "out", "-std=gnu11 -Iuser -Iinclude"]
    for again in ("", ", and finds it again"):
        code, out = run(*tidy, "user/base/leak.c", cwd=root)
        tap(code == 1 and "leak.c:7" in out, "tidy finds a leak" + again, out)
    code, out = run(*tidy, "user/base/buf.c", cwd=root)
    tap(code == 0 and not out, "tidy is silent about a clean file", out)
    kept = os.listdir(os.path.join(root, "out/lint/tidy"))
    tap(len(kept) == 1, "tidy remembers the clean file only", str(kept))
    code, out = run(*tidy, "user/base/missing.c", cwd=root)
    tap(code == 1, "tidy fails when a file does not compile", out)


def check_compilers(tap, folder):
    """The warnings that are errors, with the flags of the real build."""
    _, flags = run("make", "-s", "-C", ROOT, f"BUILD={folder}/out", "print-flags")
    write(folder, {"narrow.c": "int narrow(long x);\nint narrow(long x) { return x; }\n",
                   "wide.c": "long wide(int x);\nlong wide(int x) { return x; }\n"})
    for compiler in ("gcc", "clang"):
        words = [w for w in flags.split() if w.startswith(("-W", "-std"))]
        code, out = run(compiler, *words, "-fsyntax-only", f"{folder}/narrow.c")
        tap(code != 0 and "conversion" in out, f"{compiler} refuses a narrowing conversion", out)
        code, out = run(compiler, *words, "-fsyntax-only", f"{folder}/wide.c")
        tap(code == 0, f"{compiler} accepts a widening one", out)


def main():
    tap = Tap()
    folder = tempfile.mkdtemp(prefix="sluice-lint-")
    try:
        clean = sample(folder, {})
        run(os.path.join(LINT, "format.py"), "--fix", clean)
        for check in dict.fromkeys(row[0] for row in PLANTED):
            code, out = run(os.path.join(LINT, check + ".py"), clean)
            tap(code == 0, f"{check} is silent about a clean tree", out)
        for check, sentence, planted, wanted in PLANTED:
            code, out = run(os.path.join(LINT, check + ".py"), sample(folder, planted))
            tap(code == 1 and wanted in out, f"{check} finds {sentence}", out)
        check_tidy(tap, folder)
        check_compilers(tap, folder)
    finally:
        shutil.rmtree(folder)
    print(f"1..{tap.count}")
    return 1 if tap.failures else 0


if __name__ == "__main__":
    sys.exit(main())
