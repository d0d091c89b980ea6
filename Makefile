# Needs only make and Python 3.11 to 3.13 with venv; PYTHON= names another interpreter.
PYTHON ?=
python := $(or $(PYTHON),python3)
venv := .venv/bin/python
extras := --extra book --extra test
lock := uv pip compile pyproject.toml $(extras) --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --quiet

.PHONY: help env book test faults mutants browser refresh bench status lock clean

help:
	@echo 'make book     execute the notebooks, compare their outputs, build the book'
	@echo 'make test     lint, unit tests, doctests, strict comparison of all outputs'
	@echo 'make faults   seed every listed fault and see its check turn red'
	@echo 'make mutants  change the mathematics 1,000 times: do the tests notice?'
	@echo 'make browser  look at every page in headless Chromium'
	@echo 'make refresh  execute the notebooks and store their outputs'
	@echo 'make bench    measure against other software (makes .venv-bench)'
	@echo 'make status   measure these commands in a clean clone: book/times.md'
	@echo 'make env      make .venv (the others do it when needed)'
	@echo 'make lock     renew requirements.lock and requirements.txt (needs uv)'
	@echo 'make clean    remove what was built'

env:
	@$(python) tools/make_env.py $(if $(PYTHON),--exact)

book: env
	@$(venv) tools/build_book.py

# From quick to slow.
test: env
	$(venv) -m ruff check .
	$(venv) -m pytest
	$(venv) -m pytest -o addopts= -p no:cacheprovider -n 2 --dist loadfile \
		--nbval --nbval-current-env --nbval-cell-timeout 300 notebooks

faults: env
	DYNPO_FAULTS=all $(venv) -m pytest -q tests/test_faults.py

mutants:
	$(python) tools/mutants.py

browser: env
	@$(venv) tools/browser.py

refresh: env
	@$(venv) tools/build_book.py --refresh
	@$(venv) tools/key_figure.py
	@$(venv) tools/paper_map.py

bench:
	$(python) benchmarks/run.py

status:
	$(python) tools/status.py

lock:
	$(lock) --generate-hashes --output-file requirements.lock
	$(lock) --output-file requirements.txt

clean:
	rm -rf _build .hypothesis .pytest_cache .ruff_cache
