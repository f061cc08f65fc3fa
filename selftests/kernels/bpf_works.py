#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bpf_works.py: 0 where programs can be loaded; else 1, or a warning of `make lint`, which has to work there too."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "harness"))
from probe import bpf_works  # noqa: E402

why = "not root" if os.geteuid() != 0 else bpf_works()
if why:
    print(f"warning: the verifier's work is not checked: {why}")
sys.exit(1 if why else 0)
