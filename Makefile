# SPDX-License-Identifier: BSD-2-Clause
# Sluice. `make help` lists the targets; the rules live in scripts/build/*.mk.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION ?= 0.1.0
COMMA   := ,
Q       := $(if $(V),,@)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# All cores; a -j of the caller wins.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

# Goals that have to work before any package is there, and that compile nothing.
BARE_GOALS := help deps clean test test-long lint fmt fuzz fuzz-dataplane bench bench-http demo demo-remove uninstall \
	test-kernels verifier-table
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
NEEDS_BUILD := 1
endif

include scripts/build/flags.mk
include scripts/build/bpf.mk
include scripts/build/user.mk
include scripts/build/tests.mk
include scripts/build/house.mk
include scripts/build/kernels.mk
include scripts/build/install.mk

## all: build sluiced, sluicectl and the BPF objects into $(BUILD)
.PHONY: all
all: bpf $(BUILD)/sluiced $(BUILD)/sluicectl

## clean: remove $(BUILD)
.PHONY: clean
clean:
	$(Q)rm -rf -- $(BUILD)

## help: print this list
.PHONY: help
help:
	@echo 'make TARGET   (variables: BUILD=build PREFIX=/usr/local DESTDIR= SANITIZE=address,undefined V=1)'
	@sed -n 's/^## \([a-z_., -]*\): \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		awk -F'|' '{ printf "  %-22s %s\n", $$1, $$2 }'
