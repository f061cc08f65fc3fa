# SPDX-License-Identifier: BSD-2-Clause
# make install DESTDIR= PREFIX=: one table of what goes where, read by install and uninstall alike.

SBINDIR   := $(PREFIX)/sbin
BINDIR    := $(PREFIX)/bin
MANDIR    := $(PREFIX)/share/man
DOCDIR    := $(PREFIX)/share/doc/sluice
COMPDIR   := $(PREFIX)/share/bash-completion/completions
UNITDIR   := $(PREFIX)/lib/systemd/system
USERSDIR  := $(PREFIX)/lib/sysusers.d
TMPDIR_D  := $(PREFIX)/lib/tmpfiles.d

MAN_PAGES := $(wildcard docs/man/*.[1-9])
# They keep their folders, and so their links to each other.
DOC_PAGES := $(wildcard docs/*.md docs/*/*.md docs/feature/*.svg)
EXAMPLES  := $(wildcard docs/example/sluice.yaml)

# SOURCE:TARGET:MODE, no spaces in any.
INSTALLED := \
	$(BUILD)/sluiced:$(SBINDIR)/sluiced:755 \
	$(BUILD)/sluicectl:$(BINDIR)/sluicectl:755 \
	$(BUILD)/install/sluicectl.bash:$(COMPDIR)/sluicectl:644 \
	$(BUILD)/install/sluiced.service:$(UNITDIR)/sluiced.service:644 \
	scripts/packaging/sysusers.conf:$(USERSDIR)/sluice.conf:644 \
	scripts/packaging/tmpfiles.conf:$(TMPDIR_D)/sluice.conf:644 \
	LICENSE:$(DOCDIR)/LICENSE:644 \
	docs/sluice.schema.json:$(DOCDIR)/sluice.schema.json:644 \
	$(foreach f,$(DOC_PAGES),$f:$(DOCDIR)/$(patsubst docs/%,%,$f):644) \
	$(foreach f,$(EXAMPLES),$f:$(DOCDIR)/example/$(notdir $f):644) \
	$(foreach f,$(MAN_PAGES),$f:$(MANDIR)/man$(patsubst .%,%,$(suffix $f))/$(notdir $f):644)

$(BUILD)/install/sluicectl.bash: $(BUILD)/sluicectl
	@mkdir -p $(dir $@)
	$(Q)$< completion bash >$@

# The unit names the binaries by their path.
$(BUILD)/install/sluiced.service: scripts/packaging/sluiced.service FORCE
	@mkdir -p $(dir $@)
	$(Q)sed -e 's|/usr/sbin/|$(SBINDIR)/|g' -e 's|/usr/bin/|$(BINDIR)/|g' $< >$@

## install: install below $(DESTDIR)$(PREFIX): programs, man pages, documents, completion, systemd files
.PHONY: install
install: all $(BUILD)/install/sluicectl.bash $(BUILD)/install/sluiced.service
	@for row in $(INSTALLED); do \
		source=$${row%%:*}; target=$${row#*:}; mode=$${target##*:}; target='$(DESTDIR)'$${target%:*}; \
		echo "  INSTALL $$target" && install -D -m "$$mode" "$$source" "$$target" || exit 1; \
	done
	@[ -n '$(DESTDIR)' ] || echo 'installed; next: systemd-sysusers && systemd-tmpfiles --create &&' \
		'write /etc/sluice/sluice.yaml && systemctl enable --now sluiced'

## uninstall: remove what install put there; without DESTDIR also links and maps (sluicectl detach)
.PHONY: uninstall
uninstall:
	@# Through the agent while it runs, else without it.
	@if [ -z '$(DESTDIR)' ] && [ -d /sys/fs/bpf/sluice ] && [ -x '$(SBINDIR)/sluiced' ]; then \
		echo '  DETACH  /sys/fs/bpf/sluice'; \
		'$(BINDIR)/sluicectl' detach 2>/dev/null || '$(SBINDIR)/sluiced' --detach || \
			echo 'uninstall: links and maps stay in /sys/fs/bpf/sluice' >&2; \
	fi
	@for row in $(INSTALLED); do \
		target=$${row#*:}; target='$(DESTDIR)'$${target%:*}; \
		[ -e "$$target" ] || continue; \
		echo "  REMOVE  $$target"; rm -f -- "$$target" || exit 1; \
	done
	@for dir in $(patsubst %,'$(DOCDIR)/%',decision example feature runbook) '$(DOCDIR)'; do \
		rmdir -- '$(DESTDIR)'"$$dir" 2>/dev/null || true; \
	done
