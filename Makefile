# The only recipes: people and CI call the same ones. `make demo` and `make test` set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_OUTPUT := demo-output

# Everything that the compiled module is made of.
SOURCES := pyproject.toml CMakeLists.txt $(wildcard cmake/* patches/*.patch src/dicom_jpegls/*.pyx \
           src/dicom_jpegls/*.pxd src/dicom_jpegls/native/* src/dicom_jpegls/native/*/* src/dicom_jpegls/include/*/*)

# Other interpreters to try the one wheel with; those that are not there are left out.
OTHER_PYTHONS := $(foreach version,3.12 3.13,$(firstword $(wildcard \
                 $(HOME)/.pyenv/versions/$(version).*/bin/python /usr/local/bin/python$(version) \
                 /usr/bin/python$(version) /opt/hostedtoolcache/Python/$(version).*/x64/bin/python)))

.PHONY: demo test lint unit matrix wheel clean

demo: $(VENV)/.package
	$(BIN)/python examples/demo.py $(DEMO_OUTPUT)

test: lint unit matrix

lint: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest dicom_jpegls

unit: $(VENV)/.development
	$(BIN)/pytest -q

# The wheel is built from the sdist, as an index would get it.
wheel: $(VENV)/.development
	rm -rf dist
	$(BIN)/python -m build --outdir dist

matrix: wheel
	@for python in $(OTHER_PYTHONS); do \
	    $(MAKE) --no-print-directory installed PYTHON=$$python || exit 1; \
	done

# Runs the tests against the installed wheel, with the interpreter $(PYTHON).
.PHONY: installed
installed:
	@echo "The wheel with `$(PYTHON) --version`:"
	rm -rf $(VENV)-installed
	$(PYTHON) -m venv $(VENV)-installed
	$(VENV)-installed/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-installed/bin/python -m pip install --quiet --disable-pip-version-check --group test \
	    "dicom-jpegls[cli] @ file://$(firstword $(wildcard $(CURDIR)/dist/*.whl))"
	DICOM_JPEGLS_TEST_INSTALLED=1 $(VENV)-installed/bin/pytest -q tests

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	touch $@

$(VENV)/.package: $(VENV)/.venv $(SOURCES)
	$(PIP) install --editable '.[cli]'
	touch $@

$(VENV)/.development: $(VENV)/.package
	$(PIP) install --group dev
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-installed build dist $(DEMO_OUTPUT)
