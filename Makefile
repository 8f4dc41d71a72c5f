# SPDX-License-Identifier: GPL-2.0-or-later
# Everything is installed into .venv, nothing else is touched. PYTHON=python3.13 chooses another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# No code that is not named by hash: an editable install has none, so it takes nothing and builds with what is there.
PINNED := $(PIP) --only-binary :all: --require-hashes --requirement
EDITABLE := $(PIP) --no-deps --no-build-isolation --editable
CRASH := examples/null-deref
SECONDS ?= 1200

.PHONY: help demo test live soak soak-netboot check docs format clean
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: $(VENV)/run ## explain a real crash, down to the source line
	@$(BIN)/keepsane explain $(CRASH)/console.log.gz --modules $(CRASH) --source $(CRASH) || test $$? -eq 1

test: $(VENV)/dev ## the tests that need no virtual machine
	@type gcc ld objdump >/dev/null 2>&1 || checks/need gcc binutils
	@$(BIN)/python -m pytest

live: $(VENV)/dev ## boot Debian kernels in QEMU, crash them, explain the logs (fetches 700 MB once)
	@checks/need qemu-system-x86 ipxe ovmf grub-common grub-pc-bin xorriso busybox-static cpio gcc libc6-dev make binutils llvm xz-utils \
		kmod openssl sbsigntool
	@tests/live/lab setup
	@tests/live/lab netboot-kernel
	@$(BIN)/python -m pytest tests/live -m live

check: check-format check-lint check-types check-layers check-limits check-patterns check-news check-docs ## every gate a change must pass
	@printf '\nmake check: all gates passed\n'

docs: check-docs ## build the documentation into build/docs
	@echo build/docs/index.html

format: $(VENV)/dev ## lay the code out as make check wants it
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format

soak: $(VENV)/dev ## what takes hours: each kind of input fuzzed for SECONDS=1200 (x86-64 only)
	@failed=; for name in log stage scan parsers capture record cache ko netboot; do bench/fuzz $$name $(SECONDS) || failed="$$failed $$name"; done; \
	 test -z "$$failed" || { echo "make soak: faults in$$failed, see build/fuzz" >&2; exit 1; }

clean: ## remove .venv and everything built
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

soak-netboot: $(VENV)/dev ## machines at iPXE for minutes: UEFI by PXE, Secure Boot, long holds (as root)
	@checks/need qemu-system-x86 ipxe ipxe-qemu ovmf sbsigntool dnsmasq-base iproute2 openssl
	@tests/live/lab netboot-kernel
	@$(BIN)/python -m pytest tests/live/netboot -m soak -s

# The gates, each also on its own: make check-types
gate = @printf '\n== %s\n' '$(1)'; $(2) || { printf '\nmake check: %s: failed. %s\n' '$(1)' '$(3)' >&2; exit 1; }

check-format: $(VENV)/dev
	$(call gate,layout,$(BIN)/ruff format --check,make format mends it.)
check-lint: $(VENV)/dev
	$(call gate,lint,$(BIN)/ruff check,pyproject.toml says why each rule is there.)
check-types: $(VENV)/dev
	$(call gate,types,$(BIN)/mypy,)
check-layers: $(VENV)/dev
	$(call gate,layers,$(BIN)/lint-imports --no-logo,docs/design.md says which room may import which.)
check-limits: $(VENV)/dev
	$(call gate,limits,$(BIN)/python checks/limits.py,)
check-patterns: $(VENV)/dev
	$(call gate,patterns,$(BIN)/python -m checks.patterns,checks/pattern_cost.py says what costs how much.)
check-news: $(VENV)/dev
	$(call gate,changelog fragments,said=$$($(BIN)/towncrier build --draft --version next 2>&1) || { echo "$$said"; false; },CONTRIBUTING.md says what a fragment is.)
check-docs: $(VENV)/dev
	$(call gate,documentation,$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs,)

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "make needs Python 3.11 to 3.13, for which requirements/ has hashes; choose one with: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || checks/need python3-venv
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml requirements/run.txt | $(VENV)/bin/pip
	@echo "Installing what keepsane needs into $(VENV) ..."
	@$(PINNED) requirements/run.txt
	@$(EDITABLE) .
	@touch $@

$(VENV)/dev: requirements/dev.txt $(VENV)/run
	@echo "Installing what its developers need into $(VENV) ..."
	@$(PINNED) requirements/dev.txt
	@touch $@
