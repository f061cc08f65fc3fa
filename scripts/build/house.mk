# SPDX-License-Identifier: BSD-2-Clause
# Packages, tests, lint and the other errands. Each installs what it needs first, so it is a make
# of its own that compiles: the checks of flags.mk would stop this one.

## deps: install the Debian packages of scripts/packages.txt that are missing
.PHONY: deps
deps:
	@scripts/deps.sh install

# What each suite of selftests/harness/suites.py has to have built; SUITE=a,b and T=pattern select.
PROGRAMS_unit    := unit
PROGRAMS_san     := san-bin
PROGRAMS_bpf     := bpf-tests
PROGRAMS_fuzz    := fuzz-bin
PROGRAMS_lint    :=
PROGRAMS_e2e     := all harness-bin
PROGRAMS_e2e-san := all san-bin
PROGRAMS_conform := all
SUITES    := $(or $(subst $(COMMA), ,$(SUITE)),unit san bpf fuzz lint e2e e2e-san conform)
PROGRAMS   = $(sort $(foreach s,$(SUITES),$(PROGRAMS_$s)))
RUN_TESTS  = selftests/harness/run.py --build $(BUILD) --suite '$(SUITE)' --match '$(T)'
SUBMAKE   := $(MAKE) --no-print-directory
# What can be built runs even when something else can not; that counts as a failure of its own.
BUILD_PROGRAMS = broken=; [ -z '$(PROGRAMS)' ] || $(SUBMAKE) -s -k $(PROGRAMS) || broken=--build-failed
FUZZ_TIME ?= 600

## test: install, build and run every test in under ten minutes (SUITE=unit,e2e T=pattern select)
.PHONY: test
test:
	@scripts/deps.sh install build test lint
	+@deadline=$$(($$(date +%s) + 585)); $(BUILD_PROGRAMS); \
	$(RUN_TESTS) $$broken --deadline $$deadline

## test-long: the same with the long tests at full size, and no time limit
.PHONY: test-long
test-long:
	@scripts/deps.sh install build test lint
	+@$(BUILD_PROGRAMS); $(RUN_TESTS) $$broken --long --fuzz-s 300

## fuzz: run each fuzz target for FUZZ_TIME seconds (600); T=pattern selects
.PHONY: fuzz
fuzz:
	@scripts/deps.sh install build test lint
	+@$(SUBMAKE) -s fuzz-bin && $(RUN_TESTS) --suite fuzz --fuzz-s $(FUZZ_TIME)

## fuzz-dataplane: PACKETS (10000000) random packets on each hook against the reference model; SEED=n repeats
.PHONY: fuzz-dataplane
PACKETS ?= 10000000
fuzz-dataplane:
	@scripts/deps.sh install build test
	+@$(SUBMAKE) -s $(BUILD)/bpf-tests/fuzz_dataplane && \
		$(BUILD)/bpf-tests/fuzz_dataplane --packets $(PACKETS) $(if $(SEED),--seed $(SEED))

## bench: run the benchmarks; tables on stdout, rows in $(BUILD)/bench/*.json
.PHONY: bench
bench:
	@scripts/deps.sh install build test lint
	+@$(SUBMAKE) -s all bench-bin harness-bin && scripts/bench.sh $(BUILD) '$(T)'

## bench-http: CPU a request and memory a connection, beside nginx and HAProxy (ROUNDS=15 T=pattern)
.PHONY: bench-http
bench-http:
	@scripts/deps.sh install build test
	+@$(SUBMAKE) -s all http-bin && scripts/bench.sh $(BUILD) http/compare.py

## demo: show the whole job in namespaces on this machine (KEEP=1 leaves it standing)
.PHONY: demo
demo:
	@KEEP='$(KEEP)' BUILD='$(BUILD)' MAKE=make MAKEFLAGS= scripts/demo

## demo-remove: remove what make demo KEEP=1 left standing
.PHONY: demo-remove
demo-remove:
	@BUILD='$(BUILD)' scripts/demo remove

## lint: format, warnings, clang-tidy, layers, budgets, SPDX, shell, man pages (CHECK=name selects)
.PHONY: lint
lint:
	@scripts/deps.sh install
	+@MAKE='$(SUBMAKE)' scripts/lint/run.py --build $(BUILD) $(CHECK)

## fmt: format the C files in place
.PHONY: fmt
fmt:
	@scripts/deps.sh install lint
	@scripts/lint/format.py --fix

# Every file once through clang: its warnings, without code. `make lint` calls this.
CLANG_CHECKS := $(patsubst %.c,$(BUILD)/lint/clang/%.ok,$(USER_SRCS) $(CTL_SRCS))
.PHONY: clang-check
clang-check: $(CLANG_CHECKS)
$(BUILD)/lint/clang/%.ok: %.c $(BUILD)/.flags | $(BPF_SKELS)
	@mkdir -p $(dir $@)
	@echo '  CLANG  $<'
	$(Q)$(CLANG) $(USER_CFLAGS) -DSLUICE_VERSION='"lint"' -fsyntax-only -MF $(@:.ok=.d) -MT $@ $<
	$(Q)touch $@
-include $(CLANG_CHECKS:.ok=.d)

# What a tool needs to read the sources as the compiler does: flags, then files.
.PHONY: print-flags print-sources
print-flags:
	@echo '$(USER_CFLAGS) -DSLUICE_VERSION=\"lint\"'
print-sources:
	@printf '%s\n' $(USER_SRCS) $(CTL_SRCS)

## compile_commands.json: for clangd and other tools
.PHONY: compile_commands.json
compile_commands.json: $(BPF_SKELS)
	@scripts/build/compile_commands.py '$(USER_CFLAGS) -DSLUICE_VERSION=\"lint\"' $(USER_SRCS) $(CTL_SRCS) \
		--also '$(TEST_CFLAGS)' $(wildcard selftests/unit/*.c selftests/bpf/test_*.c) >$@
