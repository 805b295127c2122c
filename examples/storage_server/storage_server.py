"""A DICOM storage server that writes what it receives as JPEG-LS lossless.

Usage: python storage_server.py FOLDER [--address ADDRESS] [--port PORT] [--associations NUMBER]
"""

import argparse
import gc
import logging
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, _config, evt
from pynetdicom.sop_class import Verification

from dicom_jpegls.files import (
    NotConvertibleError,
    NothingToDoError,
    compress_file,
    copy_file,
    describe_error,
    lock_file,
    read_attributes,
    remove_leftovers,
    sync_folder,
    verify_file,
)

LOGGER = logging.getLogger("storage_server")

# Statuses of C-STORE: PS3.4 table B.2-1 and PS3.7 annex C.
SUCCESS = 0x0000
DUPLICATE = 0x0111
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

# As PS3.5 9.1 has it, but for zeros at the start of a component, which some devices write.
UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class MismatchError(Exception):
    """The dataset is not the object that the request names."""


# --8<-- [start:store]
def store(received: Path, folder: Path) -> int:
    """Store a received file, and return the status for its sender: it has a name in the folder only if that is 0."""
    try:
        target = folder / f"{instance_uid(received)}.dcm"
        try:
            conversion = compress_file(received, target)
            result = f"JPEG-LS, ratio {conversion.statistics.ratio:.2f}"
        except NothingToDoError as reason:
            verify_file(received)  # decodes every frame
            copy_file(received, target)
            result = f"as received: {reason}"
        except NotConvertibleError as reason:
            copy_file(received, target)
            result = f"as received: {reason}"
        sync_folder(folder)
    except Exception as error:
        status = status_of(error)
        LOGGER.warning("refused with status %04X: %s", status, describe_error(error, received))
        return status
    LOGGER.info("stored %s %s", target.name, result)
    return SUCCESS


# --8<-- [end:store]


def instance_uid(received: Path) -> str:
    """Return the SOP Instance UID of a received file, which is that of the request and safe as a file name."""
    ds = read_attributes(received)
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        requested = str(ds.file_meta[f"MediaStorage{keyword}"].value)
        found = str(ds.get(keyword, ""))
        if found != requested:
            raise MismatchError(f"{keyword} is {found!r} in the dataset and {requested!r} in the request")
    if len(found) > 64 or not UID.fullmatch(found):
        raise MismatchError(f"SOPInstanceUID is {found!r}, which is no UID")
    return found


def status_of(error: Exception) -> int:
    """Return the status for an error."""
    match error:
        case MismatchError():
            return MISMATCH
        case FileExistsError():  # another object of the same UID; the same one again is a success
            return DUPLICATE
        case OSError() | MemoryError():
            return OUT_OF_RESOURCES
        case _:
            return CANNOT_UNDERSTAND


def handle_store(event: evt.Event, folder: Path) -> int:
    """Answer a C-STORE request."""
    return store(event.dataset_path, folder)


def collect_associations(_event: evt.Event) -> None:
    """Free associations that have ended: they are cycles of references, and hold all presentation contexts."""
    gc.collect()


def new_ae(associations: int) -> AE:
    """Return an application entity that accepts each storage class in each transfer syntax."""
    ae = AE()
    ae.maximum_associations = associations
    ae.maximum_pdu_size = 2**17
    ae.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    return ae


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="127.0.0.1", help="to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=11112, help="(%(default)s); 0 for any that is free")
    parser.add_argument("--associations", type=int, default=10, help="accepted at a time (%(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    LOGGER.setLevel(logging.INFO)

    # Datasets are received into files, so that no object has to fit into memory.
    incoming = arguments.folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    with (arguments.folder / "lock").open("wb") as lock:
        if not lock_file(lock):
            sys.exit(f"Another server uses {arguments.folder}.")
        for partial in incoming.iterdir():  # of associations that were cut off
            partial.unlink()
        remove_leftovers([arguments.folder])
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(incoming)

        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        ae = new_ae(arguments.associations)
        handlers = [(evt.EVT_C_STORE, handle_store, [arguments.folder]), (evt.EVT_CONN_CLOSE, collect_associations)]
        gc.freeze()  # makes the collections short
        server = ae.start_server((arguments.address, arguments.port), block=False, evt_handlers=handlers)
        LOGGER.info("listening on %s port %d", *server.server_address[:2])
        stop.wait()
        ae.shutdown()


if __name__ == "__main__":
    main()
