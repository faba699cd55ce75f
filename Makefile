# Each command does all the set-up it needs on a bare Debian or Ubuntu with python3 and make.
PYTHON ?= python3
PY = PYTHONPATH=python .venv/bin/python
CPP = $(shell git ls-files '*.cpp' '*.h')
PYTEST ?= -q
export PYTHON
export PYTHONDONTWRITEBYTECODE = 1
export PATH := $(CURDIR)/build/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format docs build wheels clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /\1|/' | \
	  while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

demo:  ## train models on real data, load them with Spinney, prove equality, time them
	@tools/setup.sh demo
	@$(PY) examples/demo.py

test:  ## build, then run every C++ and Python test
	@tools/setup.sh dev
	ctest --test-dir build/release --output-on-failure -j2 --progress
	$(PY) -m pytest $(PYTEST) tests/python

bench:  ## measure against every rival and print the tables (BENCH=--quick for a first look)
	@tools/setup.sh bench
	$(PY) benchmarks/compare.py $(BENCH)

lint:  ## check formatting, style and layering
	@tools/setup.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/clang-format --dry-run -Werror $(CPP)
	$(PY) -m pytest -q tests/python/test_layering.py

format:  ## format C++ and Python
	@tools/setup.sh dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	.venv/bin/clang-format -i $(CPP)

docs: build/docs-venv/.ready  ## build the documentation as a site in build/site; warnings fail
	build/docs-venv/bin/python tools/build_docs.py

build/docs-venv/.ready: requirements/docs.txt
	$(PYTHON) -m venv build/docs-venv
	build/docs-venv/bin/python -m pip install --disable-pip-version-check -q -r $<
	@touch $@

build:  ## build the library and the Python extension
	@tools/setup.sh dev

wheels:  ## a portable wheel for each Python from 3.8 to 3.13 that is here (WHEELS="--quick 3.8")
	@tools/setup.sh dev
	$(PYTHON) tools/build_wheels.py $(WHEELS)

clean:  ## remove what was built (the virtual environment stays)
	rm -rf build python/spinney/_core*.so
