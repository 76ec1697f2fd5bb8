# Every target does its own set-up; what is finished is skipped. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
PY := .venv/bin/python
ifneq ($(shell command -v ccache),)
export CC := ccache gcc
export CXX := ccache g++
endif

CORE_TESTS := $(wildcard tests/fastpath tests/fuzz tests/transport tests/expressions)
# The thread sanitizer slows everything tenfold: only what runs on threads.
THREAD_TESTS := $(wildcard tests/fastpath/test_*thread*.py tests/fastpath/test_counters.py \
	tests/fastpath/test_identity.py tests/transport)
RATE ?= 200
LOAD_SECONDS ?= 20
P99_MS ?= 50
MINUTES ?= 10
FUZZ_SECONDS ?= 60
ROUNDS ?= 7
ROUND_SECONDS ?= 2

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | \
		awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install what is missing: Debian packages, .venv, h2spec where Go exists
	@PYTHON=$(PYTHON) scripts/setup

.PHONY: build
build: setup ## compile the core in place
	@$(PY) setup.py -q build_ext --inplace

.PHONY: run
run: build ## start the demo: toystore, Envoy, Tollhouse and a tour of requests; Ctrl-C ends it
	@exec $(PY) -m deploy.demo

.PHONY: test
test: build ## all tests
	$(PY) -m pytest

.PHONY: test-quick
test-quick: build ## the tests that take less than two minutes together
	$(PY) -m pytest -m 'not slow'

.PHONY: lint
lint: build ## ruff, cython-lint, mypy and the import rules
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	PATH=$(CURDIR)/.venv/bin:$$PATH cython-lint _fastpath
	$(PY) -m mypy
	PYTHONPATH=. .venv/bin/lint-imports --no-cache --no-logo

.PHONY: bench
bench: build ## server CPU per request against a constant-answer server, into docs/benchmarks.md
	$(PY) -m loadtests.bench --rounds $(ROUNDS) --seconds $(ROUND_SECONDS) --write docs/benchmarks.md

.PHONY: bench-authorization
bench-authorization: build ## kinds of identity and rule as ratios to one API key, into docs/benchmarks.md
	$(PY) -m loadtests.authorization --rounds $(ROUNDS) --seconds $(ROUND_SECONDS) --write docs/benchmarks.md

.PHONY: bench-redis
bench-redis: build ## decisions per second in memory, leased, exact and one by one, into docs/benchmarks.md
	$(PY) -m loadtests.redis_bench --rounds $(ROUNDS) --seconds $(ROUND_SECONDS) --write docs/benchmarks.md

.PHONY: bench-counters
bench-counters: build ## a million live counters: memory, decisions, sweeping; into docs/benchmarks.md
	$(PY) -m loadtests.million_counters --write docs/benchmarks.md

.PHONY: bench-parts
bench-parts: build ## pytest-benchmark over the parts: counters, codecs, deciders, expressions
	$(PY) -m pytest loadtests/parts -o python_files='bench_*.py' -o python_functions='bench_*' \
		--benchmark-only --benchmark-columns=median,iqr,ops --benchmark-sort=name

.PHONY: load
load: build ## drive HTTP through Envoy with Locust: make load RATE=200 LOAD_SECONDS=20 P99_MS=50
	$(PY) -m loadtests.through_envoy --rate $(RATE) --seconds $(LOAD_SECONDS) --p99-ms $(P99_MS)

.PHONY: soak
soak: build ## mixed load with a reload every second: make soak MINUTES=10
	$(PY) -m loadtests.soak --minutes $(MINUTES)

.PHONY: sanitize
sanitize: build ## the core's tests under the address and undefined-behavior sanitizers
	scripts/sanitize address,undefined pytest -q -m 'not slow' $(CORE_TESTS)

.PHONY: sanitize-thread
sanitize-thread: build ## the core's tests under the thread sanitizer
	scripts/sanitize thread pytest -q -m 'not slow' $(THREAD_TESTS)

.PHONY: fuzz
fuzz: build ## the decoders against mutated messages under sanitizers: make fuzz FUZZ_SECONDS=60
	scripts/sanitize address,undefined tests.fuzz --seconds $(FUZZ_SECONDS)

.PHONY: format
format: setup ## rewrite the Python sources in the house format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: clean
clean: ## remove what builds leave behind; .venv stays
	rm -rf build dist *.egg-info _fastpath/*.so _fastpath/*.cpp _fastpath/*.html
