# Sourced by platform.sh and windows.sh, which set `work`: the wheel for another kind of machine, cross-compiled here.

# Install the build tools of this machine, before pip is told of the other one. Sets `python`.
install_tools() {
    [ -e "$work/tools" ] || "${PYTHON:-python3}" -m venv "$work/tools"
    python=$work/tools/bin/python
    "$python" -m pip install --quiet --disable-pip-version-check build cmake ninja scikit-build-core cython cython-cmake
}

# install_wheels SDIST FOLDER SITE: unpack the sdist in a folder, which keeps what the tests need of it, and install its wheel
# and those in $work/wheel. The environment names the compiler, its options and the other machine. CMake is not told that it
# cross-compiles: it would want a Python that runs there.
install_wheels() {
    tar --extract --gzip --file "$1" --directory "$2" --strip-components 1
    PATH=$work/tools/bin:$PATH \
        "$python" -m build --wheel --no-isolation --skip-dependency-check --outdir "$work/wheel" "$2"
    for wheel in "$work"/wheel/*.whl; do
        "$python" -m zipfile --extract "$wheel" "$3"
    done
    rm -rf "$2/src" "$2/build"
}
