# Each target sets up what it needs: a virtual environment in .venv, then the work.

PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help example test fuzz lint types notebooks browser conformance site release-check editor spikingjelly

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/.example: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[examples]'
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps norse==1.1.0 spikingjelly==2.0.0 sinabs==3.1.3 brevitas==0.13.4 dependencies==2.0.1 unfoldNd==0.2.3
	@touch $@

.venv/.vendor: .venv/.dev
	$(BIN)/pip install --quiet akida==2.19.3
	@touch $@

.venv/.browser: .venv/.dev
	$(BIN)/pip install --quiet --editable '.[browser]'
	@touch $@

example: .venv/.example  ## Compile the MNIST network and run it on the simulator
	$(BIN)/python examples/mnist_mlp/run.py

test: .venv/.dev  ## Run the tests (without the vendor's SDK)
	$(BIN)/python -m pytest -n auto --dist loadfile --ignore=tests/conformance --ignore=tests/browser --ignore=tests/site --ignore=tests/notebooks

fuzz: .venv/.dev  ## Damaged inputs of every kind, always the same ones, for three minutes at most
	$(BIN)/python -m tests.fuzz all 20 - --seconds 170

lint: .venv/.dev  ## ruff, rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers do not see the hook of an editable install, so they get an installed copy.
types: .venv/.dev  ## mypy, strict, on an installed copy
	rm -rf build/types && mkdir -p build/types
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --target build/types .
	cd build/types && MYPYPATH=. ../../.venv/bin/mypy --config-file ../../pyproject.toml -p akc

notebooks: .venv/.dev  ## Run the notebooks in examples/notebooks
	$(BIN)/python -m pytest -s tests/notebooks

browser: .venv/.browser  ## Look at the pages in Chromium, which the system must have (apt-get install chromium)
	$(BIN)/python -m pytest -s tests/browser

spikingjelly: .venv/.dev  ## Hold SpikingJelly 0.0.0.0.14 beside akc, too
	rm -rf build/spikingjelly && $(BIN)/pip install --quiet --no-deps --target build/spikingjelly spikingjelly==0.0.0.0.14
	PYTHONPATH=build/spikingjelly $(BIN)/python -m pytest tests/frontends/spiking/test_spikingjelly.py

conformance: .venv/.vendor  ## Compare with the vendor's SDK, which this installs under its own licence
	$(BIN)/python -m pytest -n auto --dist worksteal tests/conformance

.venv/.docs: .venv/.dev
	$(BIN)/pip install --quiet --editable '.[docs]'
	@touch $@

site: .venv/.docs  ## Build the docs as a site in build/site/html, dead links are errors; go through its pages
	$(BIN)/python site/assemble.py build/site/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -f site/mkdocs.yml
	$(BIN)/python -m pytest -q -n auto tests/site

.venv/.release: .venv/bin/python
	$(BIN)/pip install --quiet build
	@touch $@

release-check: .venv/.release  ## Build wheel and sdist, install each into an empty environment, run the pages' examples
	$(BIN)/python release/check.py

editor:  ## Build the extension for VS Code, editors/vscode/akir-VERSION.vsix; needs Node.js
	cd editors/vscode && npm ci --no-audit --no-fund && npx vsce package
