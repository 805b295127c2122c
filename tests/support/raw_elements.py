"""Elements of datasets in bytes, also such as pydicom does not write, and files made of them."""

import struct

from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)


def explicit(tag, vr, value, *, length=None, order="<"):
    """Return an element with an explicit VR."""
    length = len(value) if length is None else length
    head = struct.pack(f"{order}HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return (
        head
        + struct.pack(
            f"{order}HL" if vr in EXPLICIT_VR_LENGTH_32 else f"{order}H", *[0] * (vr in EXPLICIT_VR_LENGTH_32), length
        )
        + value
    )


def implicit(tag, value, *, length=None):
    """Return an element without a VR."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(value, *, undefined=False, order="<"):
    """Return an item of a sequence."""
    header = struct.pack(f"{order}HHL", 0xFFFE, 0xE000, UNDEFINED if undefined else len(value))
    return header + value + (ITEM_END if undefined else b"")


def dicom_file(transfer_syntax_uid, dataset, *, meta=b"", preamble=bytes(128) + b"DICM"):
    """Return a file: File Meta Information with a transfer syntax and more, and a dataset in bytes."""
    uid = transfer_syntax_uid.encode()
    meta += explicit(0x00020010, "UI", uid + b"\0" * (len(uid) % 2))
    return preamble + explicit(0x00020000, "UL", struct.pack("<L", len(meta))) + meta + dataset


def image_elements(samples, bits_stored=12, *, element=explicit, order="<"):
    """Return the elements of groups 0028 and 7FE0 of a monochrome image, each by its tag."""

    def short(tag, value):
        data = struct.pack(f"{order}H", value)
        return implicit(tag, data) if element is implicit else explicit(tag, "US", data, order=order)

    data = samples.astype(f"{order}u2").tobytes()
    interpretation = b"MONOCHROME2 "
    return {
        0x00280002: short(0x00280002, 1),
        0x00280004: (
            implicit(0x00280004, interpretation)
            if element is implicit
            else explicit(0x00280004, "CS", interpretation, order=order)
        ),
        0x00280010: short(0x00280010, samples.shape[0]),
        0x00280011: short(0x00280011, samples.shape[1]),
        0x00280100: short(0x00280100, 16),
        0x00280101: short(0x00280101, bits_stored),
        0x00280102: short(0x00280102, bits_stored - 1),
        0x00280103: short(0x00280103, 0),
        0x7FE00010: implicit(0x7FE00010, data)
        if element is implicit
        else explicit(0x7FE00010, "OW", data, order=order),
    }


def dataset_bytes(elements, *more):
    """Return a dataset of elements by their tags and of more (tag, bytes), in ascending order."""
    return b"".join(data for _, data in sorted([*elements.items(), *more], key=lambda pair: pair[0]))
