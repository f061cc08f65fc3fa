# SPDX-License-Identifier: BSD-2-Clause
# Compilers, flags, libraries; the stamps that rebuild objects when one of them changes.

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG      ?= clang
LLVM_STRIP ?= llvm-strip
# Debian puts it into /usr/sbin, which an ordinary user's PATH lacks.
BPFTOOL    ?= $(or $(shell command -v bpftool),/usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config

LIBRARIES := libbpf libxdp libelf zlib openssl yaml-0.1 jansson sqlite3 libmnl libseccomp libcap-ng libmaxminddb libnghttp2

ifdef NEEDS_BUILD
MISSING := $(strip $(shell scripts/deps.sh missing build))
ifneq ($(MISSING),)
$(error missing Debian packages: $(MISSING). Run `make deps`)
endif
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBRARIES))
VERSION_FULL := $(or $(shell git describe --tags --dirty --match 'v[0-9]*' 2>/dev/null | sed 's/^v//'),$(VERSION))
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion
INCLUDES := -Iinclude -Iuser -I$(BUILD)/skel
LANGUAGE := -std=gnu11 -D_GNU_SOURCE

ifdef SANITIZE
# Without _FORTIFY_SOURCE: its checked variants hide what the sanitizers look at.
MODE_CFLAGS  := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
MODE_CFLAGS  += $(if $(findstring undefined,$(SANITIZE)),-fno-sanitize-recover=undefined)
MODE_LDFLAGS := -fsanitize=$(SANITIZE)
else
MODE_CFLAGS  := -O2 -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
MODE_LDFLAGS := -pie -Wl,-z,relro,-z,now
endif

# CFLAGS and LDFLAGS stay the caller's; they come last and win.
BASE_CFLAGS := $(LANGUAGE) -g $(MODE_CFLAGS) $(INCLUDES) $(LIB_CFLAGS) -MMD -MP
USER_CFLAGS  = $(BASE_CFLAGS) $(WARNINGS) $(CFLAGS)
USER_LDFLAGS = $(MODE_LDFLAGS) -Wl,--as-needed $(LDFLAGS)

# Rewritten only when the content differs, so that `make SANITIZE=...` or a new tag rebuild what
# they concern and nothing else.
define stamp
@mkdir -p $(dir $1)
@printf '%s\n' '$(subst ','\'',$2)' | cmp -s - $1 || printf '%s\n' '$(subst ','\'',$2)' >$1
endef

.PHONY: FORCE
FORCE:

$(BUILD)/.flags: FORCE
	$(call stamp,$@,$(CC) $(CLANG) $(USER_CFLAGS))

$(BUILD)/.version: FORCE
	$(call stamp,$@,$(VERSION_FULL))
