# SPDX-License-Identifier: BSD-2-Clause
# The BPF programs on other kernels, and what their verifiers make of them: docs/kernels.md.
#
#   selftests/kernels/load_objects.c -> $(BUILD)/kernels/load_objects
#   bpf/*.bpf.c -> $(BUILD)/kernels/clang-N/bpf/*.bpf.o, with each compiler of KERNEL_CLANGS

KERNEL_CLANGS := 14 19
KERNEL_LOADER := $(BUILD)/kernels/load_objects
KERNEL_OBJECTS := $(KERNEL_CLANGS:%=kernel-objects-%)
KERNEL_NAMES  := $(shell sed -n 's/^\([0-9][0-9.]*\) .*/\1/p' selftests/kernels/kernels.txt)
INSNS := selftests/kernels/insns.py
REASON ?=

# In one step, and without the skeletons that other programs of selftests/ wait for.
$(KERNEL_LOADER): selftests/kernels/load_objects.c $(BUILD)/.flags
	@mkdir -p $(dir $@)
	@echo '  LINK   $@'
	$(Q)$(CC) $(TEST_CFLAGS) $(USER_LDFLAGS) $< $(LIB_LIBS) -o $@

# A build of its own for each compiler: the rules are the same.
.PHONY: $(KERNEL_OBJECTS)
$(KERNEL_OBJECTS): kernel-objects-%:
	+@$(SUBMAKE) -s BUILD=$(BUILD)/kernels/clang-$* CLANG=clang-$* bpf-objects

.PHONY: bpf-objects kernels-bin
bpf-objects: $(BPF_OBJS)
kernels-bin: $(KERNEL_LOADER) $(KERNEL_OBJECTS) $(BPF_BINS) $(MODEL_BINS)

## test-kernels: boot other kernels under qemu, load every program, run the BPF tests (T=6.1 selects)
.PHONY: test-kernels
test-kernels:
	@scripts/deps.sh install build test kernels
	+@$(SUBMAKE) -s kernels-bin && $(RUN_TESTS) --suite kernels

# What the verifier of the running kernel goes through, against the table; `make lint` runs this.
.PHONY: verifier-measure verifier-check
verifier-measure: $(KERNEL_LOADER) $(KERNEL_OBJECTS)
	$(Q): >$(BUILD)/kernels/insns.tsv
	$(Q)$(foreach c,$(KERNEL_CLANGS),$(KERNEL_LOADER) $c $(BUILD)/kernels/clang-$c/bpf/*.bpf.o \
		>>$(BUILD)/kernels/insns.tsv &&) :
verifier-check:
	+$(Q)if selftests/kernels/bpf_works.py; then \
		$(SUBMAKE) -s verifier-measure && $(INSNS) check $(BUILD)/kernels/insns.tsv; \
	fi

## verifier-table: measure again, on all kernels, and write insns.tsv (growth takes REASON="why")
.PHONY: verifier-table
verifier-table:
	@scripts/deps.sh install build test kernels
	+@$(SUBMAKE) -s verifier-measure
	$(Q)for k in $(KERNEL_NAMES); do \
		KERNELS_ONLY=objects TABLE=/dev/null SLUICE_BUILD=$(BUILD) selftests/kernels/boot.py $$k || exit 1; \
	done
	$(Q)$(INSNS) update '$(subst ','\'',$(REASON))' $(BUILD)/kernels/insns.tsv \
		$(KERNEL_NAMES:%=$(BUILD)/kernels/run-%/insns.tsv) && git diff --stat -- selftests/kernels/insns.tsv
