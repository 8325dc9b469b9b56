# SPDX-License-Identifier: MIT
# The short way to everything. Each target first installs what it needs (scripts/setup.sh: silent
# when there is nothing to do) and then hands over to CMake or to a script.
#
#   make              build/tern, libtern.so, libtern.a
#   make demo         serve and fetch a file over HTTP/3 on this machine
#   make test         every unit test, replay and link test
#   make check        includes, sizes, format, warnings, lint: all that needs no run
#   make caps         lifts each bound in turn and shows that its test then fails
#   make asan         the tests under address and undefined-behaviour sanitizers
#   make openssl      the tests with OpenSSL 3.5, in a Debian 13 folder made by debootstrap
#   make fuzz         each fuzzer for FUZZ_SECONDS
#   make interop      against QUIC stacks of other people
#   make bench        figures; bench-quick: the same in about a minute
#   make memory       bytes of a connection, a stream, data in flight
#   make flood        a server under 100,000 forged Initials a second, and its honest clients
#   make budget       nanoseconds per packet by part of the work, both sides of a download
#   make flamegraph   build/bench/flame-SCENARIO-SIDE.svg for each scenario; ARGS=download for one
#   make heap         build/bench/heap-SCENARIO.txt and .svg: who allocates, and what the peak is
#   make instructions instructions per packet and per request; ARGS=--write records them
#   make install      to PREFIX, default /usr/local
#   make format       clang-format over the tree
#   make clean        all build folders but the built AWS-LC; distclean: that too
.PHONY: all build setup demo test caps check asan clang release fuzz interop bench bench-quick memory flood budget profile install \
        clean distclean format help
.DEFAULT_GOAL := all
SHELL := /bin/bash

PRESET ?= dev
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= $(if $(CI),ON,OFF)
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 600
CONFIGURE ?=
# stops the line, not only the pipe, when a command fails
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
export TERN_TLS ?= awslc

# One build folder, one builder: a second make waits for the first.
locked = mkdir -p build && flock build/.lock-$(1)

# $(call configure,preset,more) is quiet unless it fails; ninja configures again by itself later
define configure
$(call locked,$(1)) cmake --preset $(1) $(2) $(CONFIGURE) > build/configure-$(1).log 2>&1 || \
  { cat build/configure-$(1).log; exit 1; }; \
sed -n 's/^-- \(tern .*\|no LTO.*\)/\1/p' build/configure-$(1).log
endef

all: build

setup:
	@scripts/setup.sh build

# the program and the library; tests and examples are built by `make test`
build: setup
	@$(call configure,$(PRESET),-DTERN_WERROR=$(WERROR) -DTERN_TLS=$(TERN_TLS))
	@targets="tern_shared tern_static_file"; \
	 if ls tools/*.c > /dev/null 2>&1; then targets="$$targets tern"; fi; \
	 $(call locked,$(PRESET)) cmake --build build/$(PRESET) -j $(JOBS) --target $$targets
	@if [ -x build/$(PRESET)/tern ]; then ln -sfn $(PRESET)/tern build/tern; fi

demo: build
	@scripts/setup.sh demo
	@scripts/demo.sh

test:
	@scripts/setup.sh build test
	@$(MAKE) build
	@$(call configure,$(PRESET),-DTERN_WERROR=$(WERROR) -DTERN_TLS=$(TERN_TLS))
	@$(call locked,$(PRESET)) cmake --build build/$(PRESET) -j $(JOBS)
	@scripts/run_ctest.sh build/$(PRESET) $(JOBS)

caps:
	@scripts/setup.sh build test
	@python3 scripts/check_caps.py --lift

check:
	@scripts/setup.sh build check
	@scripts/check.sh

asan:
	@scripts/setup.sh build test
	@$(call configure,asan,-DTERN_WERROR=OFF)
	@$(call locked,asan) cmake --build build/asan -j $(JOBS)
	@scripts/run_ctest.sh build/asan $(JOBS)

clang:
	@scripts/setup.sh build test check
	@$(call configure,clang,)
	@$(call locked,clang) cmake --build build/clang -j $(JOBS)
	@scripts/run_ctest.sh build/clang $(JOBS)

.PHONY: openssl
openssl:
	@scripts/openssl_suite.sh

release: setup
	@$(call configure,release,)
	@$(call locked,release) cmake --build build/release -j $(JOBS)

fuzz:
	@scripts/setup.sh build fuzz
	@$(call configure,fuzz,)
	@$(call locked,fuzz) cmake --build build/fuzz -j $(JOBS)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh build/fuzz/fuzz

interop: build
	@scripts/setup.sh test
	@interop/run.sh

memory: release
	@scripts/setup.sh bench
	@bench/memory.sh

FLOOD_SECONDS ?= 60
flood: release
	@scripts/setup.sh bench
	@at=build/bench; . bench/certs.sh; build/release/bench/flood $$at/cert.pem $$at/key.pem $(FLOOD_SECONDS)

bench bench-quick: release
	@scripts/setup.sh bench
	@ln -sfn release/tern build/tern-release
	@$(if $(filter bench,$@),interop/setup.sh)
	@python3 -B bench/run.py $(if $(filter bench-quick,$@),--quick,--write) $(ARGS)

# release with line numbers: what the profilers run
profile: setup
	@$(call configure,profile,)
	@$(call locked,profile) cmake --build build/profile -j $(JOBS)

budget: profile
	@scripts/setup.sh profile
	@python3 -B bench/budget.py $(ARGS)

.PHONY: flamegraph heap instructions
flamegraph heap: profile
	@scripts/setup.sh profile
	@python3 -B bench/profiles.py $(if $(filter heap,$@),heap,flame) $(ARGS)

# counts them; ARGS=--write records them in bench/instructions.txt, ARGS=--functions shows where
instructions: build
	@scripts/setup.sh profile
	@cmake --build build/$(PRESET) --target bench_packets > build/packets.log || { cat build/packets.log; exit 1; }
	@python3 scripts/check_instructions.py --build build/$(PRESET) $(ARGS)

install: setup
	@$(call configure,release,-DCMAKE_INSTALL_PREFIX=$(PREFIX))
	@$(call locked,release) cmake --build build/release -j $(JOBS)
	@DESTDIR=$(DESTDIR) cmake --install build/release

format:
	@scripts/setup.sh check
	@scripts/list_sources.sh | xargs -r clang-format -i

clean:
	@cd build 2>/dev/null && find . -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + || true

distclean:
	@rm -rf build

help:
	@sed -n 's/^#   //p' Makefile
