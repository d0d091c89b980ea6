# Needs only make and Python 3.11 to 3.14 with venv; PYTHON= names another interpreter.
PYTHON ?=
python := $(or $(PYTHON),python3)
venv := .venv/bin/python
# asserts are the checks: they count in every command, whatever the user has set
unexport PYTHONOPTIMIZE
make_env := $(python) tools/make_env.py $(if $(PYTHON),--exact)
lock := uv pip compile pyproject.toml --extra book --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --quiet

.PHONY: help env env-test book test faults mutants browser refresh bench status lock clean

help:
	@echo 'make book     execute the notebooks, compare their outputs, build the book'
	@echo 'make test     lint, unit tests, doctests, strict comparison of all outputs'
	@echo 'make faults   seed every listed fault and see its check turn red'
	@echo 'make mutants  change the mathematics 1,000 times: do the tests notice?'
	@echo 'make browser  look at every page in headless Chromium'
	@echo 'make refresh  execute the notebooks and store their outputs'
	@echo 'make bench    measure against other software (makes .venv-bench)'
	@echo 'make status   measure these commands in a clean clone: book/times.md'
	@echo 'make env      make .venv for the book (the others do it when needed)'
	@echo 'make env-test add what only tests need'
	@echo 'make lock     renew the locks and requirements.txt (needs uv)'
	@echo 'make clean    remove what was built'

env:
	@$(make_env)

env-test:
	@$(make_env) --test

book: env
	@$(venv) tools/build_book.py

# From quick to slow.
test: env-test
	$(venv) -m ruff check .
	$(venv) -m mypy
	$(venv) -m pytest -n 2 --dist loadfile
	$(venv) -m pytest -o addopts= -p no:cacheprovider -n 2 --dist loadfile \
		--nbval --nbval-current-env --nbval-cell-timeout 300 notebooks

faults: env-test
	DYNPO_FAULTS=all $(venv) -m pytest -q tests/test_faults.py tests/test_verifier.py

mutants:
	$(python) tools/mutants.py

browser: env-test
	@$(venv) tools/browser.py

refresh: env
	@$(venv) tools/build_book.py --refresh
	@$(venv) tools/key_figure.py
	@$(venv) tools/paper_map.py

bench:
	$(python) benchmarks/run.py

status:
	$(python) tools/status.py

# Pins that still fit stay; to take the newest, empty the three files first. The lock of
# the tests holds what they add to the book.
lock:
	$(lock) --output-file requirements.txt
	$(lock) --generate-hashes --output-file requirements.lock
	$(lock) --extra test --constraint requirements.txt --generate-hashes \
		$$(sed 's/[ =].*//; s/^/--no-emit-package /' requirements.txt) \
		--output-file requirements-test.lock

clean:
	rm -rf _build build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
