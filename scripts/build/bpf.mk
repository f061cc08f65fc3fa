# SPDX-License-Identifier: BSD-2-Clause
# bpf/NAME.bpf.c -> $(BUILD)/bpf/NAME.bpf.o -> $(BUILD)/skel/NAME.skel.h (struct NAME).
# Programs that only tests or benchmarks load live beside those and get a skeleton in the same way.

BPF_SRCS  := $(wildcard bpf/*.bpf.c)
BPF_TEST_SRCS := $(wildcard selftests/bpf/*.bpf.c selftests/bench/*.bpf.c selftests/harness/*.bpf.c)
BPF_OBJS  := $(BPF_SRCS:bpf/%.c=$(BUILD)/bpf/%.o)
BPF_TEST_OBJS := $(BPF_TEST_SRCS:%.c=$(BUILD)/obj/%.o)
BPF_SKELS := $(BPF_SRCS:bpf/%.bpf.c=$(BUILD)/skel/%.skel.h)
BPF_TEST_SKELS := $(patsubst %.bpf.c,$(BUILD)/skel/%.skel.h,$(notdir $(BPF_TEST_SRCS)))

# <asm/types.h> is in the multiarch folder, which -target bpf does not search.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(subst aarch64,arm64,$(subst x86_64,x86,$(shell uname -m))) \
	-std=gnu11 -fms-extensions -Wno-microsoft-anon-tag -Wall -Wextra -Werror -Wshadow -Iinclude -Ibpf -I$(BUILD)/gen -Iscripts/gen \
	-idirafter /usr/include/$(MULTIARCH) -MMD -MP

## bpf: build the BPF objects and their skeletons
.PHONY: bpf
bpf: $(BPF_OBJS) $(BPF_SKELS)

define bpf_compile
@mkdir -p $(dir $@)
@echo '  BPF    $@'
$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
$(Q)$(LLVM_STRIP) -g $@
endef

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(BUILD)/.flags
	$(bpf_compile)

$(BPF_TEST_OBJS): $(BUILD)/obj/%.o: %.c $(BUILD)/.flags
	$(bpf_compile)

# The pragma: bpftool's code does not pass -Wconversion, and is not ours to mend.
define skeleton
@mkdir -p $(dir $@)
@echo '  SKEL   $@'
$(Q){ echo '#pragma GCC system_header' && $(BPFTOOL) gen skeleton $< name $*; } >$@
endef

$(BUILD)/skel/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(skeleton)

$(BUILD)/skel/%.skel.h: $(BUILD)/obj/selftests/bpf/%.bpf.o
	$(skeleton)

$(BUILD)/skel/%.skel.h: $(BUILD)/obj/selftests/bench/%.bpf.o
	$(skeleton)

$(BUILD)/skel/%.skel.h: $(BUILD)/obj/selftests/harness/%.bpf.o
	$(skeleton)

-include $(BPF_OBJS:.o=.d) $(BPF_TEST_OBJS:.o=.d)
