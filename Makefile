# The short commands. Everything they do is CMake, CTest and scripts/; see CONTRIBUTING.md.
# Tests, demo and benchmarks share one build (preset dev), so that a fresh machine compiles once.

PRESET ?= dev
JOBS ?= $(shell nproc)
SETUP ?= scripts/setup.sh
FUZZ_SECONDS ?= 30
PREFIX ?= /usr/local
BUILD = build/$(PRESET)

.PHONY: help setup configure build test demo screenshots bench format lint fuzz install clean

help:
	@echo 'make setup     install the Debian packages that building and testing need'
	@echo 'make build     compile the command (build/dev/src/app/assay), the tests, benchmarks and examples'
	@echo 'make test      setup, build, run all tests'
	@echo 'make demo      setup, build, then Neuron to Graph on the shipped model; results in runs/demo/, and the page over them'
	@echo '               (DEMO_FLAGS=--no-serve: without the page)'
	@echo 'make screenshots  the pictures of the page in docs/, from the runs of make demo'
	@echo 'make bench     setup, build, run the benchmarks (BENCH_FLAGS=--full: the large sizes)'
	@echo 'make format    apply clang-format; make lint: clang-format and clang-tidy as checks'
	@echo 'make fuzz      run every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) each (needs clang)'
	@echo 'make install   release build, installed under PREFIX=$(PREFIX)'
	@echo 'Options: PRESET=dev|release|asan, JOBS=$(JOBS), SETUP=true (install no packages)'

setup:
	@$(SETUP) build test

configure: setup
	@mkdir -p build
	@cmake --preset $(PRESET) >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

build: configure
	@cmake --build $(BUILD) --parallel $(JOBS)

test: build
	@scripts/test.sh $(BUILD) $(JOBS)

demo: build
	@scripts/demo.sh $(BUILD)/src/app/assay $(DEMO_FLAGS)

# The README's pictures of the page, from the runs of `make demo`.
screenshots: build
	@scripts/screenshots.sh $(BUILD)

# BENCH_FLAGS=--full for the large sizes.
bench: build
	@set -e; for program in $(BUILD)/bench/*_bench; do echo "== $$(basename $$program)"; $$program $(BENCH_FLAGS); done

SOURCES = $$(find src tests bench fuzz examples -name '*.h' -o -name '*.cc')

format:
	@$(SETUP) lint
	@clang-format -i $(SOURCES)

# FILES='src/model/.*' limits clang-tidy, which takes about half a minute for a file that includes libtorch. It reads an
# older libstdc++: see docs/decisions.md.
FILES ?= src/.*\.cc
TIDY_LIBRARY = -nostdinc++ -isystem/usr/include/c++/11 -isystem/usr/include/$(shell gcc -print-multiarch 2>/dev/null)/c++/11
lint: configure
	@$(SETUP) lint
	@clang-format --dry-run -Werror $(SOURCES)
	@run-clang-tidy -quiet -j 2 -p $(BUILD) $(addprefix -extra-arg=,$(TIDY_LIBRARY)) '$(FILES)'

# Every fuzz/*_fuzz.cc. Inputs that reach new code are kept in build/fuzz/corpus; the seeds in fuzz/corpus are only read.
# An input that breaks a target is left in build/fuzz/findings.
fuzz:
	@$(SETUP) build test fuzz
	@mkdir -p build/fuzz/findings
	@cmake --preset fuzz >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }
	@cmake --build build/fuzz --parallel $(JOBS) --target fuzzers
	@set -e; for program in build/fuzz/fuzz/*_fuzz; do \
	  name=$$(basename $$program); log=build/fuzz/$$name.log; mkdir -p build/fuzz/corpus/$$name; \
	  echo "$$name: $(FUZZ_SECONDS) s"; \
	  $$program -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=3000 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/findings/$$name- build/fuzz/corpus/$$name fuzz/corpus/$${name%_fuzz} >$$log 2>&1 || \
	    { tail -n 60 $$log; echo "$$name: failed; the input is in build/fuzz/findings"; exit 1; }; \
	  grep -E '^stat::(number_of_executed_units|new_units_added|peak_rss_mb)' $$log; \
	done

install:
	@$(SETUP) build test
	@cmake --preset release >/dev/null
	@cmake --build build/release --parallel $(JOBS) --target assay
	@cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build
