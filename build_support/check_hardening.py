"""Check that the compiled modules in wheels for Linux are hardened as cmake/Hardening.cmake says.

Usage: python check_hardening.py WHEEL ...
"""

import io
import sys
import zipfile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

NOW = 1  # DF_1_NOW of FLAGS_1
EXECUTABLE = 1  # PF_X

# What functions that may be called through a pointer begin with: ENDBR64 and ENDBR32; BTI C, PACIASP.
LANDING = {
    "EM_X86_64": [b"\xf3\x0f\x1e\xfa"],
    "EM_386": [b"\xf3\x0f\x1e\xfb"],
    "EM_AARCH64": [b"\x5f\x24\x03\xd5", b"\x3f\x23\x03\xd5"],
}


def code(elf, address, size):
    """Return bytes of the program at an address."""
    for segment in elf.iter_segments("PT_LOAD"):
        start = segment["p_vaddr"]
        if start <= address < start + segment["p_filesz"]:
            return segment.data()[address - start :][:size]
    return b""


def faults(elf):
    """Yield what a module lacks, one sentence each."""
    segments = {segment["p_type"]: segment["p_flags"] for segment in elf.iter_segments()}
    if segments.get("PT_GNU_STACK", EXECUTABLE) & EXECUTABLE:
        yield "The stack is executable."
    flags = [
        tag["d_val"]
        for section in elf.iter_sections()
        if isinstance(section, DynamicSection)
        for tag in section.iter_tags("DT_FLAGS_1")
    ]
    if "PT_GNU_RELRO" not in segments or not any(value & NOW for value in flags):
        yield "Addresses of functions can be overwritten: full RELRO is missing."
    symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
    names = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"}
    if not names & {"__stack_chk_fail", "__stack_chk_guard"}:
        yield "The stack protector is missing."
    if not any(name.endswith("_chk") for name in names):
        yield "FORTIFY is missing: no checked function of the C library is called."
    if landing := LANDING.get(elf["e_machine"]):
        (start,) = (symbol["st_value"] for symbol in symbols if symbol.name.startswith("PyInit_"))
        if code(elf, start, 4) not in landing:
            yield "Control-flow protection is missing."


def main(wheels):
    """Print what is missing in any module, and stop with a status."""
    found = False
    missing = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".so"):
                    found = True
                    missing += [f"{name}: {fault}" for fault in faults(ELFFile(io.BytesIO(archive.read(name))))]
    if missing or not found:
        sys.exit("\n".join(missing) or "There is no compiled module in the wheels.")


if __name__ == "__main__":
    main(sys.argv[1:])
