# `make selfplay` and `make test` set everything up on a fresh checkout: a C++20 compiler, make, python3 (3.11 or newer) with venv.
# Only package registries are contacted (pip; apt-get for gnugo). Stamps inside .venv make a second run quick.

PYTHON ?= python3
PYTEST_ARGS ?=
BENCH_ARGS ?=
SELFPLAY_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
CMAKE := $(BIN)/cmake -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) -S cpp_ext
CORE_SOURCES := cpp_ext/CMakeLists.txt $(shell find cpp_ext -path cpp_ext/tests -prune -o \( -name '*.cpp' -o -name '*.hpp' \) -print)
EDITABLE := $(PIP) install --quiet -c constraints.txt --no-build-isolation -C cmake.define.AG_WERROR=ON -C cmake.define.AG_NATIVE=ON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup test test-all cpp-test lint gnugo selfplay bench bench-playouts bench-features bench-search tsan clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# --- set-up -----------------------------------------------------------------------------------------------------------

$(VENV)/.tools: constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python {v[0]}.{v[1]} is too old: constraints.txt pins packages that need 3.11 or newer; set PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt torch==2.13.0
	$(PIP) install --quiet -c constraints.txt scikit-build-core nanobind cmake ninja
	@touch $@

# The editable install: Python files count as they are, and this builds the C++ core (only what changed since the last time).
# OpenVINO comes along, without which networks run at a third of their speed or less on a CPU.
$(VENV)/.core: $(VENV)/.tools pyproject.toml $(CORE_SOURCES)
	$(EDITABLE) -e '.[openvino]'
	@touch $@

$(VENV)/.dev: $(VENV)/.tools pyproject.toml | $(VENV)/.core
	$(EDITABLE) -e '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.tools pyproject.toml | $(VENV)/.core
	$(EDITABLE) -e '.[bench]'
	@touch $@

setup: $(VENV)/.core  ## .venv with the pinned packages and the compiled core

gnugo:
	@if command -v gnugo >/dev/null || [ -x /usr/games/gnugo ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "gnugo is absent and there is no apt-get: the tests that need it will skip"; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then as_root=; \
	elif sudo -n true 2>/dev/null; then as_root="sudo -n"; \
	else echo "gnugo is absent and installing it needs root (apt-get install gnugo): the tests that need it will skip"; exit 0; fi; \
	echo "installing gnugo through apt-get"; \
	$$as_root apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive $$as_root apt-get -qq install -y --no-install-recommends gnugo >/dev/null \
	|| echo "apt-get could not install gnugo: the tests that need it will skip"

# --- tests ------------------------------------------------------------------------------------------------------------

test: gnugo cpp-test lint $(VENV)/.dev  ## everything but the slow tests: C++ under sanitizers, lint, types, Python
	$(BIN)/python -m pytest -q -n auto --dist worksteal $(PYTEST_ARGS)

test-all: test  ## ... and the slow ones
	$(CMAKE) -B build/release -DAG_PYTHON=OFF -DAG_BUILD_TESTS=ON -DAG_WERROR=ON
	$(BIN)/cmake --build build/release
	build/release/test_legal_counts 4
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m slow $(PYTEST_ARGS) || [ $$? = 5 ]  # 5: no test is marked slow

cpp-test: $(VENV)/.tools  ## the C++ tests under AddressSanitizer and UBSan
	$(CMAKE) -B build/asan --log-level=WARNING -DCMAKE_BUILD_TYPE=RelWithDebInfo -DAG_PYTHON=OFF -DAG_BUILD_TESTS=ON -DAG_WERROR=ON -DAG_SANITIZE=address
	$(BIN)/cmake --build build/asan
	$(BIN)/ctest --test-dir build/asan --output-on-failure -j 2

tsan: $(VENV)/.tools  ## the C++ tests under ThreadSanitizer
	$(CMAKE) -B build/tsan --log-level=WARNING -DCMAKE_BUILD_TYPE=RelWithDebInfo -DAG_PYTHON=OFF -DAG_BUILD_TESTS=ON -DAG_WERROR=ON -DAG_SANITIZE=thread
	$(BIN)/cmake --build build/tsan
	$(BIN)/ctest --test-dir build/tsan --output-on-failure -j 2

lint: $(VENV)/.dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# --- the program --------------------------------------------------------------------------------------------------------

selfplay: $(VENV)/.core  ## the main job: 1,000 games of self-play on 9x9, into a new folder of runs/
	$(BIN)/selfplay --games 1000 $(SELFPLAY_ARGS)

bench: $(VENV)/.bench  ## every row of docs/benchmarks.md, with its ratio to a peer measured in the same run
	$(BIN)/python benchmarks/peers.py $(BENCH_ARGS)

bench-playouts: $(VENV)/.bench  ## the playout rows alone
	$(BIN)/python benchmarks/peers.py --only playouts $(BENCH_ARGS)

bench-features: $(VENV)/.bench  ## the input plane rows alone
	$(BIN)/python benchmarks/peers.py --only features $(BENCH_ARGS)

bench-search: $(VENV)/.bench  ## the search rows alone
	$(BIN)/python benchmarks/peers.py --only search $(BENCH_ARGS)

clean:  ## remove .venv, builds and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find alphago selfplay tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	find alphago -name '_core*.so' -delete
