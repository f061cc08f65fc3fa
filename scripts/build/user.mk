# SPDX-License-Identifier: BSD-2-Clause
# user/**/*.c -> $(BUILD)/sluiced; tools/sluicectl/*.c and user/base -> $(BUILD)/sluicectl.

# Two levels of folders below user/ is the deepest that the architecture has (http/h1).
USER_SRCS := $(sort $(wildcard user/*.c user/*/*.c user/*/*/*.c))
CTL_SRCS  := $(sort $(wildcard tools/sluicectl/*.c))

USER_OBJS := $(USER_SRCS:%.c=$(BUILD)/obj/%.o)
CTL_OBJS  := $(CTL_SRCS:%.c=$(BUILD)/obj/%.o)
LIB_OBJS  := $(filter-out $(BUILD)/obj/user/main.o,$(USER_OBJS))
BASE_OBJS := $(filter $(BUILD)/obj/user/base/%,$(USER_OBJS))

# Only these see the version, so that a commit does not rebuild everything.
VERSIONED_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,\
	$(if $(USER_SRCS)$(CTL_SRCS),$(shell grep -l SLUICE_VERSION $(USER_SRCS) $(CTL_SRCS))))
$(VERSIONED_OBJS): $(BUILD)/.version
$(VERSIONED_OBJS): USER_CFLAGS += -DSLUICE_VERSION='"$(VERSION_FULL)"'

$(BUILD)/obj/user/%.o: user/%.c $(BUILD)/.flags | $(BPF_SKELS)
	@mkdir -p $(dir $@)
	@echo '  CC     $@'
	$(Q)$(CC) $(USER_CFLAGS) -c $< -o $@

$(BUILD)/obj/tools/%.o: tools/%.c $(BUILD)/.flags
	@mkdir -p $(dir $@)
	@echo '  CC     $@'
	$(Q)$(CC) $(USER_CFLAGS) -c $< -o $@

# A source that goes away has to leave the programs too.
$(BUILD)/.sources: FORCE
	$(call stamp,$@,$(USER_SRCS) $(CTL_SRCS) $(wildcard selftests/*/*.c))

$(BUILD)/sluiced: $(USER_OBJS) $(BUILD)/.sources
	@echo '  LINK   $@'
	$(Q)$(CC) $(USER_LDFLAGS) $(USER_OBJS) $(LIB_LIBS) -lm -o $@

$(BUILD)/sluicectl: $(CTL_OBJS) $(BASE_OBJS) $(BUILD)/.sources
	@echo '  LINK   $@'
	$(Q)$(CC) $(USER_LDFLAGS) $(CTL_OBJS) $(BASE_OBJS) $(shell $(PKG_CONFIG) --libs jansson) -lm -o $@

# Everything of the agent but main(), for the tests.
$(BUILD)/libsluice.a: $(LIB_OBJS) $(BUILD)/.sources
	@echo '  AR     $@'
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJS)

-include $(USER_OBJS:.o=.d) $(CTL_OBJS:.o=.d)
