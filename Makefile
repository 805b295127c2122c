# The only recipes: people and CI call the same ones. `make demo` and `make test` set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_OUTPUT := demo-output
BENCHMARK_OUTPUT := benchmark-output

# Files of tests are shared out among the cores, the long ones first to whoever is free.
PYTEST_OPTIONS := -q -n auto --dist loadfile

# `make fuzz`: seconds for each target (0 replays the kept inputs), and which.
SECONDS ?= 60
TARGET ?= $(basename $(notdir $(wildcard fuzz/*.cpp)))
FUZZ := build/fuzz

# `make bench-core`: the folder of CharLS 2.4 sources to compare with, instead of those that the package is built from.
CHARLS ?=
BENCH := build/bench-core

# For CMake outside of pip: what the recipes with a preset of CMakePresets.json need.
CMAKE := $(BIN)/cmake
PRESET_OPTIONS = -D Python_EXECUTABLE=$(CURDIR)/$(BIN)/python

# The C++ that is formatted and linted, and a second compiler for its warnings, left out where it is not there.
CXX_SOURCES := $(shell find src/dicom_jpegls/native fuzz benchmarks/core -name '*.?pp')
CLANG ?= $(firstword $(shell command -v clang++))

# Everything that the compiled module is made of.
SOURCES := pyproject.toml CMakeLists.txt $(wildcard cmake/* patches/*.patch src/dicom_jpegls/*.pyx \
           src/dicom_jpegls/*.pxd src/dicom_jpegls/native/*/* src/dicom_jpegls/native/*/*/* \
           src/dicom_jpegls/include/*/*)

# Other interpreters to try the one wheel with; those that are not there are left out.
OTHER_PYTHONS := $(foreach version,3.12 3.13,$(firstword $(wildcard \
                 $(HOME)/.pyenv/versions/$(version).*/bin/python /usr/local/bin/python$(version) \
                 /usr/bin/python$(version) /opt/hostedtoolcache/Python/$(version).*/x64/bin/python)))

.PHONY: demo test lint format native sanitize-native unit matrix wheel fuzz bench-core clean

demo: $(VENV)/.package
	$(BIN)/python examples/demo.py $(DEMO_OUTPUT)

test: lint native unit matrix

lint: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest dicom_jpegls
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint src examples
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)
	$(CMAKE) --preset debug $(PRESET_OPTIONS) -D DICOM_JPEGLS_WARNINGS_AS_ERRORS=ON
	$(CMAKE) --build --preset debug --parallel 2
	$(BIN)/clang-tidy --quiet -p build/debug src/dicom_jpegls/native/scan/charls_adapter.cpp \
	    $(wildcard src/dicom_jpegls/native/tests/*.cpp)
ifneq ($(CLANG),)
	$(CMAKE) --preset debug $(PRESET_OPTIONS) -B build/debug-clang -D DICOM_JPEGLS_WARNINGS_AS_ERRORS=ON \
	    -D CMAKE_CXX_COMPILER=$(CLANG)
	$(CMAKE) --build build/debug-clang --parallel 2
endif

format: $(VENV)/.development
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CXX_SOURCES)

# The unit tests of the C++.
native: $(VENV)/.development
	$(CMAKE) --preset debug $(PRESET_OPTIONS)
	$(CMAKE) --build --preset debug --parallel 2
	$(BIN)/ctest --preset debug

sanitize-native: $(VENV)/.development
	$(CMAKE) --preset sanitize $(PRESET_OPTIONS)
	$(CMAKE) --build --preset sanitize --parallel 2
	$(BIN)/ctest --preset sanitize

unit: $(VENV)/.development
	$(BIN)/pytest $(PYTEST_OPTIONS)

# The wheel is built from the sdist, as an index would get it.
wheel: $(VENV)/.development
	rm -rf dist
	$(BIN)/python -m build --outdir dist

matrix: wheel
	@for python in $(OTHER_PYTHONS); do \
	    $(MAKE) --no-print-directory installed PYTHON=$$python || exit 1; \
	done

# Runs the tests against the installed wheel, with the interpreter $(PYTHON). Left out: what the compiled module, the same
# for all interpreters, makes of streams.
MODULE_TESTS := $(addprefix tests/codec/test_,conformance.py damage.py fast_scan.py oracles.py)
.PHONY: installed
installed:
	@echo "The wheel with `$(PYTHON) --version`:"
	rm -rf $(VENV)-installed
	$(PYTHON) -m venv $(VENV)-installed
	$(VENV)-installed/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-installed/bin/python -m pip install --quiet --disable-pip-version-check --group test \
	    "dicom-jpegls[cli] @ file://$(firstword $(wildcard $(CURDIR)/dist/*.whl))"
	DICOM_JPEGLS_TEST_INSTALLED=1 $(VENV)-installed/bin/pytest $(PYTEST_OPTIONS) tests \
	    $(addprefix --ignore ,$(MODULE_TESTS))

# Builds the package for a Python without the GIL, and runs the tests there that need no peer:
# `make free-threaded PYTHON=/path/to/python3.13t`. Not each Hypothesis has a wheel for it, and its sources need Rust.
FREE_THREADED_TESTS := $(addprefix tests/,$(addsuffix .py,$(addprefix codec/test_,threads array buffers partial) dicom/test_rules))
.PHONY: free-threaded
free-threaded:
	@$(PYTHON) -c 'import sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))' || \
	    { echo "A Python without the GIL is needed: make $@ PYTHON=/path/to/python3.13t"; exit 1; }
	rm -rf $(VENV)-free-threaded
	$(PYTHON) -m venv $(VENV)-free-threaded
	$(VENV)-free-threaded/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-free-threaded/bin/python -m pip install --quiet --disable-pip-version-check --only-binary hypothesis \
	    . hypothesis pytest
	DICOM_JPEGLS_TEST_INSTALLED=1 $(VENV)-free-threaded/bin/pytest -q $(FREE_THREADED_TESTS)

# Needs clang, CLANG=... if it has another name. The inputs found stay in $(FUZZ)/corpus for the next run, and what fails
# in $(FUZZ)/findings.
fuzz: $(VENV)/.development
	$(CMAKE) --preset fuzz $(PRESET_OPTIONS) $(addprefix -D CMAKE_CXX_COMPILER=,$(CLANG))
	$(CMAKE) --build --preset fuzz --parallel 2 --target $(TARGET)
	$(BIN)/python fuzz/make_corpus.py $(FUZZ)/seeds
	@mkdir -p $(FUZZ)/findings $(addprefix $(FUZZ)/corpus/,$(TARGET))
	@for target in $(TARGET); do \
	    echo "Fuzzing $$target:"; \
	    $(FUZZ)/$$target $(if $(filter 0,$(SECONDS)),-runs=0,-max_total_time=$(SECONDS)) -timeout=2 -max_len=4096 \
	        -rss_limit_mb=2048 -malloc_limit_mb=256 -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$(FUZZ)/findings/$$target- $(FUZZ)/corpus/$$target $(FUZZ)/seeds || exit 1; \
	done

# Runs the tests against an extension and a CharLS that are built with GCC's address and undefined-behaviour sanitizers.
# Left out: test_memory.py, since the address sanitizer keeps what is freed, and Python's count of its blocks stays 0.
library = $$($(CXX) -print-file-name=$(1))
SANITIZED := PYTHONMALLOC=malloc \
    LD_PRELOAD="$(call library,libasan.so) $(call library,libubsan.so) $(call library,libstdc++.so)" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

.PHONY: sanitize
sanitize: sanitize-native
	$(PYTHON) -m venv $(VENV)-sanitize
	$(VENV)-sanitize/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(VENV)-sanitize/bin/python -m pip install --quiet --disable-pip-version-check --group test '.[cli]' \
	    -C build-dir=build/sanitize -C cmake.build-type=RelWithDebInfo -C install.strip=false \
	    -C 'cmake.define.CMAKE_CXX_FLAGS=-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
	$(SANITIZED) DICOM_JPEGLS_TEST_INSTALLED=1 $(VENV)-sanitize/bin/pytest $(PYTEST_OPTIONS) tests \
	    --ignore tests/codec/test_memory.py

# In an environment of its own: with other peers installed, pydicom decides otherwise than in the tests.
bench: $(VENV)-bench/.installed
	$(VENV)-bench/bin/python benchmarks/performance.py --output $(BENCHMARK_OUTPUT)

$(VENV)-bench/.installed: $(SOURCES)
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --group benchmark \
	    --editable '.[cli]'
	touch $@

# The scan codecs against CharLS as released, and against other packages; the counts need valgrind.
bench-core: $(VENV)/.development
	$(CMAKE) --preset bench-core $(PRESET_OPTIONS) -D CHARLS_SOURCE_DIR=$(CHARLS)
	$(CMAKE) --build --preset bench-core --parallel 2
	$(BIN)/python benchmarks/core/export_images.py $(BENCH)/images
	$(BENCH)/bench $(BENCH)/libreleased.so $(BENCH)/libfast.so $(BENCH)/images
	$(BIN)/python benchmarks/core/export_frames.py $(BENCH)/frames
	$(BENCH)/bench_lanes $(BENCH)/frames
	$(BIN)/python benchmarks/core_python.py
	$(BIN)/python benchmarks/core/mispredictions.py $(BENCH)/bench $(BENCH)/libreleased.so $(BENCH)/libfast.so \
	    $(BENCH)/images

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
	rm -rf $(addprefix $(VENV),-installed -free-threaded -sanitize -bench) $(VENV) build dist $(DEMO_OUTPUT) $(BENCHMARK_OUTPUT)
