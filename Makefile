# Everything there is to do here; `make help` lists it. Cargo does the work.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

# Where `make install` puts things: DESTDIR is a root to build a package in, PREFIX is for the command alone.
DESTDIR ?=
PREFIX ?= /usr/local
LIBDIR ?= $(shell tests/make/where libdir)
RADDB ?= $(shell tests/make/where raddb)
# Seconds for each target of `make fuzz`.
TIME ?= 600
# Port of `make run`; empty takes a free one.
PORT ?=

# One set of features for all that is built: two of them would overwrite each other's librlm_mfa.so.
CARGO := cargo
BUILT := target/release

.PHONY: help deps build demo run test test-unit test-races bench bench-sync install deb deb-equal test-deb check check-headers deny book fuzz valgrind asan

help: ## List what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

deps: ## Install what is missing to build and test (Debian 12: apt-get, as root or by sudo; starts no service)
	@tests/make/deps

build: deps ## Build the module (target/release/rlm_mfa.so) and the command (target/release/mfa)
	$(CARGO) build --release --locked
	@ln -sf librlm_mfa.so $(BUILT)/rlm_mfa.so

demo: build ## Show it: install beside a stock server, enrol a user, log in by every protocol, see replays refused
	@tests/make/demo

run: build ## Run a server in the foreground to play with (PORT=n; a free port if not given)
	@tests/make/run $(PORT)

test: deps ## Run all tests: units, the real FreeRADIUS, eapol_test, crashes
	$(CARGO) test --locked --no-fail-fast

test-unit: ## Run the tests that need no FreeRADIUS and no other server (under a minute once built)
	$(CARGO) test --locked --no-default-features --lib
	$(CARGO) test --locked --no-default-features --test layers --test language --test options

test-races: deps ## Exchange names for links a thousand times while root runs `mfa` (`make test` does so some hundred times)
	MFA_RACES=1000 $(CARGO) test --locked --test cli root::race -- --nocapture

bench: deps ## Measure logins a second and their delay against rlm_always, rlm_totp and rlm_ldap, and thousands that wait for their users
	$(CARGO) bench --locked --bench logins
	$(CARGO) bench --locked --bench passwords
	$(CARGO) bench --locked --bench waits

bench-sync: deps ## Measure `mfa sync` of 100,000 users from slapd: time and memory
	$(CARGO) bench --locked --bench sync

install: ## Install the built module, command, man page, completions and raddb files (DESTDIR=, PREFIX=, LIBDIR=, RADDB=)
	@test -e $(BUILT)/rlm_mfa.so || { echo 'nothing is built yet: run `make build` first' >&2; exit 1; }
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' RADDB='$(RADDB)' BUILT='$(BUILT)' tests/make/install

deb: ## Build the Debian packages for the installed FreeRADIUS in target/deb (needs debhelper and what it names)
	@packaging/deb

deb-equal: ## Build the Debian packages twice, in different folders, and compare them octet by octet
	@packaging/deb target/deb
	@packaging/deb target/deb-again/in/another/folder
	@for file in target/deb/*.deb; do cmp "$$file" "target/deb-again/in/another/folder/$${file##*/}"; done
	@rm -rf target/deb-again
	@echo 'the packages are equal'

test-deb: ## Install the packages of target/deb into a fresh Debian, log in, upgrade, break, remove, purge (root; SOURCE=1 rebuilds there too)
	@packaging/try-deb $(if $(SOURCE),--source)

check: deps ## Check format, lints (fuzz targets too) and documentation, all as errors, and the licences of what is linked
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked --test licences

check-headers: ## Compile against the headers of other Debian releases (3.0.21, 3.2.7, 3.2.10), if they can be had
	@tests/make/check-headers bullseye trixie forky

deny: ## Check licences, bans and sources of all crates, and advisories where their database can be had (cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	cargo deny --locked check licenses bans sources
	@if cargo deny --locked fetch db; then cargo deny --locked check --disable-fetch advisories; \
	else echo 'advisories: not checked, their database cannot be reached' >&2; fi

book: ## Build doc/ as one book with search (target/book, mdbook)
	@mdbook --version >/dev/null 2>&1 || $(CARGO) install mdbook --locked --no-default-features --features search
	mdbook build

fuzz: ## Fuzz each target for TIME seconds (600 if not given); what is found on the way is kept in target/fuzz
	@cargo fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	@export RUSTC_BOOTSTRAP=1; for target in $$(cargo fuzz list); do \
		echo "== $$target, $(TIME) s"; \
		mkdir -p "target/fuzz/corpus/$$target"; \
		cargo fuzz run --target-dir target/fuzz "$$target" "target/fuzz/corpus/$$target" "fuzz/corpus/$$target" -- \
			-max_total_time=$(TIME) -print_final_stats=1; \
	done

valgrind: deps ## Run the wrapper's tests under valgrind: no request leaves anything behind
	@tests/make/valgrind

asan: deps ## Run the wrapper's tests with the address sanitizer (the toolchain's own; builds everything anew, in target/asan)
	@tests/make/asan
