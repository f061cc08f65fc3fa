# SPDX-License-Identifier: BSD-2-Clause
# Packages, tests, lint and the other errands.

## deps: install the Debian packages of scripts/packages.txt that are missing
.PHONY: deps
deps:
	@scripts/deps.sh install
