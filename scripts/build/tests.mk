# SPDX-License-Identifier: BSD-2-Clause
# Unit tests, tests of the BPF programs, benchmarks and fuzz targets.
#
#   selftests/unit/test_X.c   -> $(BUILD)/unit/test_X          cmocka, all of user/ but main.c
#   selftests/bpf/test_X.c    -> $(BUILD)/bpf-tests/test_X     the same, needs root and BPF
#   selftests/model/X.c       -> $(BUILD)/bpf-tests/X          test_model, fuzz_dataplane: with the library of bpf/
#   selftests/bench/bench_X.c -> $(BUILD)/bench-bin/bench_X    argument: the folder for its JSON
#   selftests/bench/http/*.c  -> $(BUILD)/bench-bin/http_{load,upstream}: what `make bench-http` starts
#   selftests/harness/X.c     -> $(BUILD)/harness/X            what end-to-end tests and benchmarks start
#   selftests/fuzz/fuzz_X.c   -> $(BUILD)/fuzz/fuzz_X          libFuzzer, the library again with clang
# The other .c files of such a folder are a library for the programs of that folder.

# Tests are spared -Wconversion: cmocka's casts would fill them with casts of their own.
TEST_CFLAGS = $(BASE_CFLAGS) -Wall -Wextra -Werror -Wshadow -Ibpf -Iselftests -Iscripts/gen -I$(BUILD)/gen $(CFLAGS)
TEST_LIBS   = $(LIB_LIBS) $(shell $(PKG_CONFIG) --libs cmocka) -lm -lpthread

# $(call programs,folder,prefix) and the rest of the folder.
programs = $(sort $(wildcard selftests/$1/$2_*.c))
extras   = $(sort $(filter-out %.bpf.c $(call programs,$1,$2),$(wildcard selftests/$1/*.c)))

UNIT_BINS  := $(patsubst selftests/unit/%.c,$(BUILD)/unit/%,$(call programs,unit,test))
BPF_BINS   := $(patsubst selftests/bpf/%.c,$(BUILD)/bpf-tests/%,$(call programs,bpf,test))
MODEL_BINS := $(addprefix $(BUILD)/bpf-tests/,test_model fuzz_dataplane)
BENCH_BINS := $(patsubst selftests/bench/%.c,$(BUILD)/bench-bin/%,$(call programs,bench,bench))
HARNESS_BINS := $(patsubst selftests/harness/%.c,$(BUILD)/harness/%,$(filter-out %.bpf.c,$(wildcard selftests/harness/*.c)))
FUZZ_BINS  := $(patsubst selftests/fuzz/%.c,$(BUILD)/fuzz/%,$(call programs,fuzz,fuzz))

# $(call library,archive,objects): of what a folder's programs share; it may be empty.
define library
$1: $2 $(BUILD)/.sources
	@mkdir -p $$(dir $$@)
	$(Q)rm -f $$@ && ar rcs $$@ $2
endef
test_objs   = $(patsubst %.c,$(BUILD)/obj/%.o,$(call extras,$1,$2))
$(eval $(call library,$(BUILD)/obj/unit.a,$(call test_objs,unit,test)))
$(eval $(call library,$(BUILD)/obj/bpf-tests.a,$(call test_objs,bpf,test)))
$(eval $(call library,$(BUILD)/obj/model.a,$(patsubst %.c,$(BUILD)/obj/%.o,\
	$(filter-out %/test_model.c %/fuzz_dataplane.c,$(wildcard selftests/model/*.c)))))
$(eval $(call library,$(BUILD)/obj/bench.a,$(call test_objs,bench,bench)))

$(BUILD)/obj/selftests/%.o: selftests/%.c $(BUILD)/.flags | $(BPF_SKELS) $(BPF_TEST_SKELS)
	@mkdir -p $(dir $@)
	@echo '  CC     $@'
	$(Q)$(CC) $(TEST_CFLAGS) -c $< -o $@

define link_test
@mkdir -p $(dir $@)
@echo '  LINK   $@'
$(Q)$(CC) $(USER_LDFLAGS) $^ $(TEST_LIBS) -o $@
endef

$(UNIT_BINS): $(BUILD)/unit/%: $(BUILD)/obj/selftests/unit/%.o $(BUILD)/obj/unit.a $(BUILD)/libsluice.a
	$(link_test)

$(BPF_BINS): $(BUILD)/bpf-tests/%: $(BUILD)/obj/selftests/bpf/%.o $(BUILD)/obj/bpf-tests.a $(BUILD)/libsluice.a
	$(link_test)

$(MODEL_BINS): $(BUILD)/bpf-tests/%: $(BUILD)/obj/selftests/model/%.o $(BUILD)/obj/model.a \
		$(BUILD)/obj/bpf-tests.a $(BUILD)/libsluice.a
	$(link_test)

$(BENCH_BINS): $(BUILD)/bench-bin/%: $(BUILD)/obj/selftests/bench/%.o $(BUILD)/obj/bench.a $(BUILD)/libsluice.a
	$(link_test)

HTTP_BINS := $(BUILD)/bench-bin/http_load $(BUILD)/bench-bin/http_upstream
$(BUILD)/bench-bin/http_load: $(addprefix $(BUILD)/obj/selftests/bench/http/,load.o client.o client_h2.o)
	$(link_test)
$(BUILD)/bench-bin/http_upstream: $(BUILD)/obj/selftests/bench/http/upstream.o
	$(link_test)

$(HARNESS_BINS): $(BUILD)/harness/%: $(BUILD)/obj/selftests/harness/%.o
	$(link_test)

# Fuzz targets: clang throughout, the library instrumented for coverage.
FUZZ_SAN    := address,undefined
FUZZ_CFLAGS  = $(LANGUAGE) -fms-extensions -Wno-microsoft-anon-tag -g -O1 -fno-omit-frame-pointer $(INCLUDES) -Ibpf -Iselftests -Iscripts/gen -I$(BUILD)/gen \
	$(LIB_CFLAGS) -Wall -Wextra -Werror -fno-sanitize-recover=undefined -MMD -MP \
	-DSLUICE_VERSION='"fuzz"' $(CFLAGS)
FUZZ_LIB_OBJS := $(patsubst $(BUILD)/obj/%,$(BUILD)/fuzz/obj/%,$(LIB_OBJS))
fuzz_objs      = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(call extras,$1,$2))
$(eval $(call library,$(BUILD)/fuzz/obj/fuzz.a,$(call fuzz_objs,fuzz,fuzz)))
$(eval $(call library,$(BUILD)/fuzz/obj/unit.a,$(call fuzz_objs,unit,test)))

$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/.flags | $(BPF_SKELS)
	@mkdir -p $(dir $@)
	@echo '  FUZZCC $@'
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -c $< -o $@

$(BUILD)/fuzz/libsluice.a: $(FUZZ_LIB_OBJS) $(BUILD)/.sources
	@echo '  AR     $@'
	$(Q)rm -f $@ && ar rcs $@ $(FUZZ_LIB_OBJS)

$(FUZZ_BINS): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/selftests/fuzz/%.o $(BUILD)/fuzz/obj/fuzz.a $(BUILD)/fuzz/libsluice.a
	@echo '  LINK   $@'
	$(Q)$(CLANG) -fsanitize=fuzzer,$(FUZZ_SAN) -Wl,--as-needed $^ $(LIB_LIBS) -lm -o $@

# The sanitized agent and unit tests come out of the same objects: one build fewer in `make test`.
SAN_BINS := $(patsubst $(BUILD)/unit/%,$(BUILD)/san/unit/%,$(UNIT_BINS))
SAN_MAIN := $(patsubst user/%.c,$(BUILD)/fuzz/obj/user/%.o,$(wildcard user/main.c))

define link_sanitized
@mkdir -p $(dir $@)
@echo '  LINK   $@'
$(Q)$(CLANG) -fsanitize=$(FUZZ_SAN) -Wl,--as-needed $^ $(TEST_LIBS) -o $@
endef

$(SAN_BINS): $(BUILD)/san/unit/%: $(BUILD)/fuzz/obj/selftests/unit/%.o $(BUILD)/fuzz/obj/unit.a $(BUILD)/fuzz/libsluice.a
	$(link_sanitized)

$(BUILD)/san/sluiced: $(SAN_MAIN) $(BUILD)/fuzz/libsluice.a
	$(link_sanitized)

## unit, bpf-tests, bench-bin, http-bin, harness-bin, fuzz-bin, san-bin: build those programs, run none
.PHONY: unit bpf-tests bench-bin http-bin harness-bin fuzz-bin san-bin
unit: $(UNIT_BINS)
bpf-tests: $(BPF_BINS) $(MODEL_BINS)
bench-bin: $(BENCH_BINS)
http-bin: $(HTTP_BINS)
harness-bin: $(HARNESS_BINS)
fuzz-bin: $(FUZZ_BINS)
san-bin: $(SAN_BINS) $(BUILD)/san/sluiced

.SECONDARY:
-include $(wildcard $(BUILD)/obj/selftests/*/*.d) $(wildcard $(BUILD)/obj/selftests/bench/http/*.d) $(wildcard $(BUILD)/fuzz/obj/*/*.d \
	$(BUILD)/fuzz/obj/*/*/*.d $(BUILD)/fuzz/obj/*/*/*/*.d)
