# SPDX-License-Identifier: Apache-2.0
#
# The only door. `make test` is what CI runs; on a bare Debian 12 with Swift 6.2 or later it installs what it needs.

.PHONY: help demo test fuzz fuzz-seeds fuzz-merge bench bench-encryption bench-objects bench-restore bench-shards age-vectors dashboard check fmt lint docs build deps parts clean toolchain
.DEFAULT_GOAL := help

SWIFT ?= swift
REDOUBT := .build/release/redoubt
# How often `make bench` measures each thing.
ROUNDS ?= 5
# How many servers `make bench-shards` starts.
SHARDS ?= 100
# A checkout of https://github.com/C2SP/CCTV, or its folder age/testdata, for `make age-vectors`.
VECTORS ?=
# How large the object of `make bench-objects` is.
SIZE_GIB ?= 10
FUZZER := .build-fuzz/release/redoubt-fuzz
FUZZ_SECONDS ?= 120
SOURCES := Package.swift Sources Tests

# What a build needs, and what the tests run beside it (the rest of that is in Tests/requirements.txt).
BUILD_PACKAGES := ca-certificates git g++ libc6-dev binutils pkg-config libcurl4-openssl-dev libzstd-dev zlib1g-dev
DEMO_PACKAGES := redis-server redis-tools
TEST_PACKAGES := $(DEMO_PACKAGES) age gzip libnss-wrapper openssh-client openssh-server openssl procps prometheus \
	prometheus-pushgateway python3 python3-venv strace tzdata zstd

help:
	@echo 'make demo    build redoubt, and back up and restore a Redis before your eyes'
	@echo 'make test    everything that CI runs: lint, build, all tests'
	@echo 'make fuzz    hostile input: libFuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS) (Tests/Fuzz/README.md)'
	@echo 'make bench   what a backup costs, beside the standard tools'
	@echo 'make bench-restore  a wiped set of three brought back, beside what is done by hand'
	@echo 'make bench-shards  what SHARDS=$(SHARDS) servers cost in one run, one at a time and eight at a time'
	@echo 'make bench-objects  an object of SIZE_GIB=$(SIZE_GIB) GiB up and down, beside rclone'
	@echo 'make bench-encryption  the age format beside age, and a backup with it and without'
	@echo 'make age-vectors VECTORS=DIR  the test vectors of the age format, out of your checkout of C2SP/CCTV'
	@echo 'make dashboard  the picture of the dashboard in docs/monitoring.md, drawn anew from real runs'
	@echo 'make check   the quick gate: lint, build, architecture'
	@echo 'make fmt     format the sources'
	@echo 'make docs    write docs/command-reference.md anew'
	@echo 'make build   $(REDOUBT)'
	@echo 'make deps    install what the build needs (apt)'
	@echo 'make parts   install the servers and tools that the tests run against (apt, PyPI)'
	@echo 'make clean   remove what make made'

demo: toolchain
	@$(call install,$(BUILD_PACKAGES) $(DEMO_PACKAGES))
	$(SWIFT) build -c release --product redoubt
	bash docs/demo.sh $(REDOUBT)

bench: toolchain deps parts
	@$(call install,time)
	$(SWIFT) build -c release --product redoubt
	bash Tests/bench.sh $(REDOUBT) $(ROUNDS)

bench-restore: toolchain deps
	@$(call install,$(DEMO_PACKAGES) python3)
	$(SWIFT) build -c release --product redoubt
	bash Tests/restore.sh $(REDOUBT) $(ROUNDS)

bench-shards: toolchain deps
	@$(call install,$(DEMO_PACKAGES) time procps)
	$(SWIFT) build -c release --product redoubt
	bash Tests/shards.sh $(REDOUBT) $(SHARDS)

bench-objects: toolchain deps parts
	@$(call install,time)
	REDOUBT_BENCH=1 $(SWIFT) build -c release --product redoubt-object
	bash Tests/objects.sh .build/release/redoubt-object $(SIZE_GIB)

bench-encryption: toolchain deps
	@$(call install,$(DEMO_PACKAGES) age time)
	REDOUBT_BENCH=1 $(SWIFT) build -c release --product redoubt-age
	$(SWIFT) build -c release --product redoubt
	bash Tests/encryption.sh .build/release/redoubt-age $(REDOUBT) $(ROUNDS)

age-vectors: toolchain deps
	@[ -n '$(VECTORS)' ] || { echo 'usage: make age-vectors VECTORS=DIR (a checkout of https://github.com/C2SP/CCTV)' >&2; exit 64; }
	REDOUBT_BENCH=1 $(SWIFT) build -c release --product redoubt-age-vectors
	.build/release/redoubt-age-vectors '$(VECTORS)'

# Debian's matplotlib is for Debian's python3.
dashboard: toolchain deps
	@$(call install,$(DEMO_PACKAGES) curl prometheus python3 python3-matplotlib)
	$(SWIFT) build -c release --product redoubt
	bash Tests/dashboard.sh $(REDOUBT) docs/images/dashboard.png

# Four tests at a time: each has servers of its own, and deadlines that a starved machine would miss.
test: toolchain deps parts lint
	$(SWIFT) build -c release --build-tests
	bash Tests/suite.sh $(SWIFT)

# Nothing is written into the repository: inputs that reach something new stay in .build-fuzz, for the next run.
fuzz: $(FUZZER)
	FUZZ_SECONDS=$(FUZZ_SECONDS) bash Tests/Fuzz/run.sh $(FUZZER) .build-fuzz/run

# Adds to the corpus what earlier runs found to reach more.
fuzz-merge: $(FUZZER)
	bash Tests/Fuzz/run.sh $(FUZZER) .build-fuzz/run merge

# Writes the seeds of the corpus anew, from the fixtures of the tests.
fuzz-seeds: toolchain deps
	REDOUBT_WRITE_CORPUS=1 $(SWIFT) test --disable-xctest --filter '^RDBTests\.FuzzCorpusTests'

.PHONY: $(FUZZER)
$(FUZZER): toolchain deps
	REDOUBT_FUZZ=1 $(SWIFT) build -c release --scratch-path .build-fuzz --product redoubt-fuzz

check: toolchain deps lint
	$(SWIFT) build -c release --build-tests
	$(SWIFT) test -c release --skip-build --disable-xctest --filter '^(ArchitectureTests|FailuresTests)\.'

lint: toolchain
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

fmt: toolchain
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

docs: toolchain deps
	REDOUBT_WRITE_DOCS=1 $(SWIFT) test --disable-xctest --filter '^CommandsTests\.CommandReferenceTests'

build: toolchain deps
	$(SWIFT) build -c release --product redoubt

deps:
	@$(call install,$(BUILD_PACKAGES))

parts: .venv/complete
	@$(call install,$(TEST_PACKAGES))

.venv/complete: Tests/requirements.txt
	@$(call install,$(TEST_PACKAGES))
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/python3 -m pip install --quiet --disable-pip-version-check --no-compile \
		--requirement Tests/requirements.txt
	touch $@

clean:
	rm -rf .build .build-fuzz .venv

toolchain:
	@command -v $(SWIFT) >/dev/null || { echo 'swift is not installed: see https://www.swift.org/install/linux/' >&2; exit 1; }

# Installs the Debian packages that are missing; nothing is asked of apt when all are there.
# The first attempt uses the lists that this machine has; only when it fails are they fetched anew.
# A policy of 101 keeps the package of a server from starting it; a server that was here before is left alone.
install = set -eu; missing=''; \
	for each in $(1); do \
		dpkg-query --show --showformat '$${db:Status-Abbrev}' $$each 2>/dev/null | grep -q '^ii' || missing="$$missing $$each"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	echo "installing$$missing"; \
	as_root=''; [ "$$(id -u)" -eq 0 ] || as_root=sudo; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
		trap "$$as_root rm -f $$policy" EXIT; \
		printf '\#!/bin/sh\nexit 101\n' | $$as_root tee $$policy >/dev/null; \
		$$as_root chmod +x $$policy; \
	fi; \
	apt="$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300"; \
	$$apt install --yes --no-install-recommends $$missing >/dev/null 2>&1 || { \
		$$apt update; \
		$$apt install --yes --no-install-recommends $$missing >/dev/null; \
	}; \
	for service in redis-server prometheus prometheus-pushgateway; do \
		case " $$missing " in *" $$service "*) \
			if [ -d /run/systemd/system ]; then $$as_root systemctl disable --quiet $$service; fi;; \
		esac; \
	done
