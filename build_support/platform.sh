#!/bin/sh
# Run the tests of the wheel on another kind of processor, emulated: platform.sh {arm64|armhf|i386|s390x} SDIST [TEST ...]
#
# As root, on Debian or Ubuntu with mmdebstrap, qemu-user-static and g++-TRIPLET. The wheel is cross-compiled from the sdist
# with the headers of the foreign Python; the tests run in a chroot with Debian's Python, NumPy and pytest, on all processors
# unless PYTEST_XDIST_AUTO_NUM_WORKERS says how many. Peers have no packages there, so that their tests are skipped.
#
# Bytecode is the same for all processors: a Python of the chroot's version on this machine (python3.13 for Debian trixie)
# compiles the modules, which takes many times as long under emulation.
#
# The chroot is kept for the next run, below ~/.cache, not in the checkout: the build backend walks through all folders there
# and follows links, which lead from a chroot to the whole of this machine. MIRROR is a mirror of Debian's packages, SUITE
# the release.
set -eu

platform=$1
sdist=$(realpath --canonicalize-existing "$2")
shift 2
suite=${SUITE:-trixie}
case $platform in
    arm64) triplet=aarch64-linux-gnu multiarch=$triplet machine=aarch64 ;;
    armhf) triplet=arm-linux-gnueabihf multiarch=$triplet machine=armv7l ;;
    i386) triplet=i686-linux-gnu multiarch=i386-linux-gnu machine=i686 ;;
    s390x) triplet=s390x-linux-gnu multiarch=$triplet machine=s390x ;;
    *) echo "The platform must be arm64, armhf, i386 or s390x, not '$platform'." >&2; exit 2 ;;
esac
command -v "$triplet-g++" > /dev/null || { echo "Install g++-$triplet." >&2; exit 1; }

work=${XDG_CACHE_HOME:-$HOME/.cache}/dicom-jpegls/platform-$platform
root=$work/$suite
if [ ! -e "$root/.complete" ]; then
    rm -rf "$root"
    mkdir -p "$work"
    mirror=${MIRROR:-}
    if [ -z "$mirror" ] && grep -q '^ID=debian$' /etc/os-release; then
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    fi # elsewhere mmdebstrap knows one
    packages=base-files,bash,coreutils,dash,findutils,grep,python3,python3-numpy,python3-pytest,python3-pytest-timeout
    packages=$packages,python3-pytest-xdist,python3-hypothesis,python3-rich,libpython3-dev
    # Unpacked only: to configure packages takes minutes of emulation, for nothing that the tests need.
    mmdebstrap --quiet --variant=extract --architectures="$platform" --include="$packages" "$suite" "$root" \
        ${mirror:+"$mirror"}
    echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
    touch "$root/.complete"
fi

# The headers of the foreign Python only: those of the C library are the cross-compiler's.
version=$(ls "$root/usr/include" | grep '^python3\.' | head -n 1)
site=$root/usr/local/lib/$version/dist-packages
rm -rf "$work/include" "$work/wheel" "$root/opt/test" "$site"
mkdir -p "$work/include/$multiarch" "$root/opt/test" "$site"
ln -s "$root/usr/include/$version" "$work/include/$version"
ln -s "$root/usr/include/$multiarch/$version" "$work/include/$multiarch/$version"
. "$(dirname "$0")/foreign_wheel.sh"
install_tools
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work/wheel" \
    pydicom click # newer than Debian's
(
    export CXX="$triplet-g++" CXXFLAGS="-I$work/include/$version -I$work/include"
    export _PYTHON_HOST_PLATFORM="linux-$machine" CMAKE_ARGS="-DCMAKE_STRIP=/usr/bin/$triplet-strip"
    install_wheels "$sdist" "$root/opt/test" "$site"
)
# For s390x, qemu (7.2 to 11.1) leaves the nanoseconds out of what fstat returns, and not out of what stat does, so that each
# open file would seem to have changed: fstat by way of stat there.
if [ "$platform" = s390x ]; then
    cat > "$site/emulated_fstat.py" << 'END'
import os

_fstat = os.fstat


def fstat_by_name(handle):
    _fstat(handle)  # raises for what is not open
    return os.stat(f"/proc/self/fd/{handle}")


os.fstat = fstat_by_name
END
    echo 'import emulated_fstat' > "$site/emulated_fstat.pth"
fi
[ $# -gt 0 ] || set -- tests
# qemu does not enforce limits of the address space; a processor of the same family runs i386 itself.
[ "$platform" = i386 ] || set -- "$@" --deselect tests/codec/test_c_api.py::test_out_of_memory_is_a_code

# A file that cannot be compiled is one that nothing imports, such as a bad example in a test of the standard library.
magic='import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())'
if [ "$("$version" -c "$magic" 2> /dev/null)" = "$(chroot "$root" /usr/bin/python3 -c "$magic")" ]; then
    "$version" -m compileall -q -s "$root" "$root/usr/lib/python3" "$root/usr/lib/$version" "$site" || true
else
    echo "No $version here has the bytecode of the chroot's: modules are compiled under emulation." >&2
fi

# With mounts that end with the command: tests start processes, and look at what they have open. Variables of this machine
# do not get there: PYTHONDONTWRITEBYTECODE would have each process compile all modules. Debian links BLAS and LAPACK where
# it configures them.
exec unshare --mount sh -euc '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec chroot "$@"
' sh "$root" env --ignore-environment --chdir=/opt/test PATH=/usr/bin:/bin HOME=/root LC_ALL=C.UTF-8 \
    ${PYTEST_XDIST_AUTO_NUM_WORKERS:+PYTEST_XDIST_AUTO_NUM_WORKERS="$PYTEST_XDIST_AUTO_NUM_WORKERS"} \
    DICOM_JPEGLS_TEST_INSTALLED=1 LD_LIBRARY_PATH="/usr/lib/$multiarch/blas:/usr/lib/$multiarch/lapack" \
    python3 -m pytest -n auto --dist loadfile -p no:cacheprovider -o timeout=3600 "$@"
