# SPDX-License-Identifier: ISC
# A thin front for Meson: `make help` lists what there is.
.DEFAULT_GOAL := all
.PHONY: all asan bench check clean crash demo format fuzz help install test uninstall

prefix ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 30
KEEP ?=
# DEPS=no leaves the system's packages alone (for packagers).
DEPS ?= yes
deps = $(if $(filter no,$(DEPS)),@true,@tools/install-deps)

all: ## build the release into build/: optimised, hardened, warnings are errors
	$(deps) build
	@tools/build release programs

demo: ## start a server in a temporary folder, send mail over TLS, read it back, trace what leaves (KEEP=1 leaves it running)
	$(deps) demo
	@tools/build release programs
	@KEEP=$(KEEP) tools/demo

test: ## everything that must pass: unit, fuzz corpus, checks, real servers, sanitizers
	$(deps) test
	@tools/run-tests

check: ## only the fast checks: layers, style, format, docs
	$(deps) test
	@tools/build release
	@meson test -C build --no-rebuild --suite check --print-errorlogs

lint: ## what clang-tidy and cppcheck have to say (advice, not a gate)
	$(deps) lint fuzz
	@tools/build asan
	@run-clang-tidy -quiet -p build-asan '$(CURDIR)/src/.*\.c' 2>/dev/null | sed 's/\x1b\[[0-9;]*m//g' | grep -E 'warning:|error:' | sort -u || true
	@cppcheck --quiet --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem -I src src || true

asan: ## build with clang, AddressSanitizer and UndefinedBehaviorSanitizer into build-asan/
	$(deps) fuzz
	@tools/build asan

fuzz: ## run every libFuzzer target for FUZZ_SECONDS (30) each
	$(deps) fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/run-fuzz

bench: ## measure against Postfix and Dovecot, side by side
	$(deps) bench
	@tools/build release programs bench/store_bench
	@bench/run

crash: ## kill the server at random under load, ten thousand times; nothing acknowledged may be lost
	$(deps) test
	@tools/build release
	@test/crash/run

install: all ## install under prefix (/usr/local), below DESTDIR when that is set
	@meson configure build -Dprefix=$(prefix) && ninja -C build programs >/dev/null
	@DESTDIR=$(DESTDIR) meson install -C build --no-rebuild

uninstall: ## remove what the last `make install` put there
	@ninja -C build uninstall

format: ## format every C file in place
	$(deps) lint
	@tools/check-format --fix

clean: ## remove all build folders
	rm -rf build build-asan build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
