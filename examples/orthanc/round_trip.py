"""Store JPEG-LS files in Orthanc by C-STORE, read them back, and compare what it shows with what is in them.

Usage: python round_trip.py PICTURES [FILE ...]

Starts Orthanc with a new storage in a temporary folder, and stops it at the end. Writes what Orthanc shows, one PNG for
each file, to the folder PICTURES. The files must be monochrome or RGB; without any,
it compresses images of the pydicom package.
"""

import argparse
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config

import dicom_jpegls as jls

CONFIGURATION = Path(__file__).with_name("orthanc.json")
IMAGES = ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle_2frame.dcm", "examples_rgb_color.dcm")
SECONDS_TO_START = 60


class Orthanc(NamedTuple):
    """The ports of a running server."""

    http_port: int
    dicom_port: int

    def get(self, path: str, body: bytes | None = None) -> bytes:
        """Return the answer of the REST API: to GET, or to POST if there is a body."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy
        with opener.open(f"http://127.0.0.1:{self.http_port}/{path}", body, timeout=30) as answer:
            return answer.read()


@contextmanager
def running_orthanc() -> Iterator[Orthanc]:
    """Start Orthanc, and stop it at the end."""
    program = shutil.which("Orthanc", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        sys.exit("Orthanc is not installed: apt-get install orthanc")
    server = Orthanc(free_port(), free_port())
    with tempfile.TemporaryDirectory() as storage:
        environment = os.environ | {
            "ORTHANC_STORAGE": storage,
            "ORTHANC_HTTP_PORT": str(server.http_port),
            "ORTHANC_DICOM_PORT": str(server.dicom_port),
        }
        log = Path(storage, "log")
        with log.open("wb") as output:
            process = subprocess.Popen([program, CONFIGURATION], env=environment, stderr=output, stdout=output)
        try:
            wait_until_ready(server, process, log)
            yield server
        finally:
            process.terminate()
            process.wait(SECONDS_TO_START)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_ready(server: Orthanc, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + SECONDS_TO_START
    while process.poll() is None and time.monotonic() < end:
        try:
            server.get("system")
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"Orthanc does not answer:\n{log.read_text(errors='replace')}")


def compressed_files(folder: Path) -> list[Path]:
    """Compress some images, lossless and near-lossless, and return the paths."""
    paths = []
    for name in IMAGES:
        for near_lossless in (0, 2):
            ds = dcmread(get_testdata_file(name))
            if ds.file_meta.TransferSyntaxUID.is_compressed:
                ds.decompress()
            jls.compress(ds, near_lossless=near_lossless)
            paths.append(folder / f"{Path(name).stem}-near-{near_lossless}.dcm")
            ds.save_as(paths[-1])
    return paths


def send(server: Orthanc, paths: list[Path]) -> None:
    """Send files by C-STORE, their datasets as they are."""
    _config.STORE_SEND_CHUNKED_DATASET = True
    ae = AE("JPEGLS")
    metas = [read_file_meta_info(path) for path in paths]
    for uids in {(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas}:
        ae.add_requested_context(*uids)
    association = ae.associate("127.0.0.1", server.dicom_port, ae_title="ORTHANC")
    if not association.is_established:
        sys.exit("Orthanc refuses the association")
    for path in paths:
        status = association.send_c_store(path).get("Status")
        if status != 0x0000:
            sys.exit(f"Orthanc answers {path} with status {status}")
    association.release()


def dataset_bytes(data: bytes) -> bytes:
    """Return a DICOM file without its preamble and File Meta Information, which each program writes for itself."""
    end_of_length = 144  # the first element is File Meta Information Group Length, of 12 bytes
    return data[end_of_length + int.from_bytes(data[end_of_length - 4 : end_of_length], "little") :]


def shown_frame(server: Orthanc, instance: str, frame: int) -> NDArray:
    """Return the samples of a frame as Orthanc decodes them, of shape (rows, columns[, samples])."""
    samples = np.load(io.BytesIO(server.get(f"instances/{instance}/frames/{frame}/numpy?rescale=false")))
    return samples.squeeze(axis=2) if samples.shape[2] == 1 else samples


def shown_picture(server: Orthanc, instance: str, frame: int) -> NDArray:
    """Return the picture that Orthanc shows of a frame: 8 bits, of shape (rows, columns[, samples])."""
    with Image.open(io.BytesIO(server.get(f"instances/{instance}/frames/{frame}/preview"))) as picture:
        return np.asarray(picture)


def expected_picture(frame: NDArray, photometric_interpretation: str) -> NDArray:
    """Return what a picture of a frame must show: colours as they are, grey from the smallest sample to the largest."""
    if frame.ndim == 3:
        return frame
    levels = np.interp(frame, (frame.min(), max(frame.max(), frame.min() + 1)), (0, 255))
    return 255 - levels if photometric_interpretation == "MONOCHROME1" else levels


def compare(server: Orthanc, path: Path, pictures: Path) -> str:
    """Compare a file with what Orthanc has and shows, and return a line about it."""
    ds = dcmread(path)
    instance = json.loads(server.get("tools/lookup", ds.SOPInstanceUID.encode()))[0]["ID"]
    if dataset_bytes(server.get(f"instances/{instance}/file")) != dataset_bytes(path.read_bytes()):
        sys.exit(f"{path.name}: Orthanc returns other bytes")
    for number, frame in enumerate(jls.iter_frames(ds)):
        if not np.array_equal(shown_frame(server, instance, number), frame):
            sys.exit(f"{path.name}: Orthanc decodes other samples")
        shown = shown_picture(server, instance, number)
        if not np.allclose(shown, expected_picture(frame, ds.PhotometricInterpretation), rtol=0, atol=1):
            sys.exit(f"{path.name}: Orthanc shows another picture")
        if number == 0:
            Image.fromarray(shown).save(pictures / f"{path.stem}.png")
    return f"{path.name}: {ds.file_meta.TransferSyntaxUID.name}, frames: {number + 1}, same bytes, samples, picture"


def main() -> None:
    """Store, read back, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    arguments = parser.parse_args()
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_orthanc() as server:
        paths = arguments.files or compressed_files(Path(folder))
        send(server, paths)
        for path in paths:
            print(compare(server, path, arguments.pictures))


if __name__ == "__main__":
    main()
