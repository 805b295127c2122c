#!/bin/sh
# Run the tests of the wheel in Python for 64-bit Windows, with wine: windows.sh FOLDER SDIST [TEST ...]
#
# FOLDER holds what python.org calls the embeddable package, of Python 3.11 or later. On Debian or Ubuntu, with wine,
# g++-mingw-w64-x86-64-posix and mingw-w64-tools. WINE is the command: with wine 8 pools of processes hang in Python's own
# pipes, and 10 works. NUMPY and PEERS are requirements for pip: NumPy after 2.0 needs functions of the C library that
# wine 10 does not have; tests of other codecs are skipped without PEERS.
#
# The wheel is cross-compiled with MinGW; CI and the released wheels use Microsoft's compiler.
set -eu

if ! [ -e "$1/python3.dll" ]; then
    echo "The folder '$1' holds no Python for Windows: make windows WINDOWS_PYTHON=folder" >&2
    exit 2
fi
folder=$(realpath "$1")
sdist=$(realpath --canonicalize-existing "$2")
shift 2
triplet=x86_64-w64-mingw32
for tool in "${WINE:-wine}" "$triplet-g++-posix" gendef; do
    command -v "$tool" > /dev/null || { echo "Install wine, g++-mingw-w64-x86-64-posix and mingw-w64-tools." >&2; exit 1; }
done
name=$(basename "$folder"/python3??.dll .dll) # such as python311
version=3.${name#python3}

# On a drive of its own: from that with this machine's files, tests would find /proc.
work=${XDG_CACHE_HOME:-$HOME/.cache}/dicom-jpegls/windows
drive=$work/prefix/drive_c
test=$drive/test
rm -rf "$drive/python" "$work/include" "$work/wheel" "$test"
mkdir -p "$work/include" "$work/wheel" "$test"
. "$(dirname "$0")/foreign_wheel.sh"
install_tools

# Packages, for Python on Windows. Markers are those of this machine: what only Windows needs is named.
cp -r "$folder" "$drive/python"
site=$drive/python/Lib/site-packages
mkdir -p "$site"
rm "$drive/python/$name._pth" # isolates Python from its environment, which an installed one is not
"$python" -m pip download --quiet --disable-pip-version-check --dest "$work/wheel" \
    --platform win_amd64 --only-binary :all: --python-version "$version" \
    colorama 'click>=8.2' execnet hypothesis "${NUMPY:-numpy<2.1}" pydicom pytest pytest-timeout pytest-xdist rich ${PEERS:-}
cp -r "$("$python" -c 'import venv; print(venv.__path__[0])')" "$site" # left out of the embeddable package

# The headers are this machine's, but for the configuration. The module is linked with python3.dll, the stable ABI.
cp -r "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/." "$work/include"
cat > "$work/include/pyconfig.h" << 'END'
#define MS_WINDOWS
#define MS_WIN64
#define NT_THREADS
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED
#define WITH_DOC_STRINGS 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define SIZEOF_TIME_T 8
#define SIZEOF_PID_T 4
END
gendef - "$drive/python/python3.dll" 2> /dev/null | sed 's/ = .*//' > "$work/include/python3.def" # each forwards to $name
"$triplet-dlltool" --dllname python3.dll --input-def "$work/include/python3.def" --output-lib "$work/include/libpython3.a"

(
    export CXX="$triplet-g++-posix" CXXFLAGS="-I$work/include" LDFLAGS="-static -fstack-protector-strong"
    export _PYTHON_HOST_PLATFORM=win-amd64
    export CMAKE_ARGS="-DCMAKE_STRIP=/usr/bin/$triplet-strip -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON
                       -DCMAKE_CXX_STANDARD_LIBRARIES=$work/include/libpython3.a"
    install_wheels "$sdist" "$test" "$site"
)
mv "$site/dicom_jpegls/_codec.abi3.so" "$site/dicom_jpegls/_codec.pyd" # CMake gave it the name of one on Linux

# Python for Windows takes no file for its output from wine, but a pipe.
[ $# -gt 0 ] || set -- tests
cd "$test"
{
    status=0
    env --unset=PYTHONDONTWRITEBYTECODE WINEPREFIX="$work/prefix" WINEDEBUG=-all DICOM_JPEGLS_TEST_INSTALLED=1 \
        "${WINE:-wine}" "$drive/python/python.exe" -m pytest -n auto --dist loadfile -p no:cacheprovider -o timeout=3600 "$@" \
        < /dev/null 2>&1 || status=$?
    echo "$status" > "$work/status"
} | cat
exit "$(cat "$work/status")"
