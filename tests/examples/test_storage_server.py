"""The storage server of the examples, run as a process and sent objects by several associations at a time."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, RLELossless, generate_uid

import dicom_jpegls as jls
from support.commands import ENVIRONMENT, ROOT
from support.dicom_files import make_dataset, read

pynetdicom = pytest.importorskip("pynetdicom")

SERVER = ROOT / "examples/storage_server/storage_server.py"

# Native in three encodings, compressed in three ways, with one frame and several, grey and in colour.
IMAGES = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "examples_palette.dcm",
    "examples_rgb_color.dcm",
)


class Server:
    """The server, listening on a free port of the loopback interface."""

    def __init__(self, folder):
        self.folder = folder
        command = [sys.executable, SERVER, folder, "--port", "0"]
        self.process = subprocess.Popen(
            [os.fspath(part) for part in command], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1 port (\d+)", line):
                self.port = int(found[1])
                break
        else:
            pytest.fail(f"the server ended: {self.log}")
        self._reader = ThreadPoolExecutor(1)
        self._reader.submit(self.log.extend, self.process.stderr)

    def stop(self, number):
        """Stop the server by a signal, and return its exit status and its log."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        self._reader.shutdown()
        self.process.stderr.close()
        return status, "".join(self.log)

    def peak_memory(self):
        """Return the largest resident size so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def stored(self):
        """Return the names of the stored files."""
        return {path.name for path in self.folder.iterdir()} - {"incoming", "lock"}


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)  # files are sent as they are
    server = Server(tmp_path / "archive")
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGTERM)


def save(folder, ds, uid=None):
    """Write a dataset under another UID, and return the path."""
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid or generate_uid()
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def send(port, paths, timeout=60):
    """Send files in one association, and return the statuses; None for those that got none."""
    ae = pynetdicom.AE()
    ae.dimse_timeout = timeout  # seconds
    metas = {path: dcmread(path, specific_tags=["SOPClassUID"]).file_meta for path in paths}
    for uids in {(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas.values()}:
        ae.add_requested_context(*uids)
    association = ae.associate("127.0.0.1", port)
    assert association.is_established
    with association.dul.socket.socket:  # pynetdicom does not close that of a broken connection
        statuses = [
            association.send_c_store(path).get("Status") if association.is_established else None for path in paths
        ]
        association.release()
    return statuses


def send_all(port, groups, timeout=60):
    """Send each group of files in a separate association, all at a time."""
    with ThreadPoolExecutor(len(groups)) as pool:
        return list(pool.map(lambda paths: send(port, paths, timeout), groups))


def check_stored(path, original):
    """Check that a stored file is the JPEG-LS form of another, with the same samples and attributes."""
    stored, ds = dcmread(path), dcmread(original)
    assert stored.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert np.array_equal(jls.pixel_array(stored), ds.pixel_array)
    for element in ds:
        if element.keyword != "PixelData":
            assert stored[element.tag].value == element.value


def test_objects_of_several_associations_are_stored_once_and_without_loss(tmp_path, server):
    originals = [read(name) for name in IMAGES]
    groups = [[save(tmp_path, ds) for ds in originals] for _ in range(4)]
    assert send_all(server.port, groups) == [[0x0000] * len(IMAGES)] * 4
    assert send(server.port, groups[0]) == [0x0000] * len(IMAGES)  # again, as after a lost answer
    paths = [path for group in groups for path in group]
    assert server.stored() == {path.name for path in paths}
    for path in paths:
        check_stored(server.folder / path.name, path)
    status, log = server.stop(signal.SIGTERM)
    assert os.name == "nt" or status == 0, log
    assert log.count("stored ") == len(paths) + len(IMAGES)
    assert list((server.folder / "incoming").iterdir()) == []


def test_other_objects_are_kept_as_they_were_received(tmp_path, server):
    report = save(tmp_path, read("reportsi.dcm"))
    one_bit = save(tmp_path, read("liver_1frame.dcm"))
    jpegls = save(tmp_path, read("MR_small_jpeg_ls_lossless.dcm"))
    assert send(server.port, [report, one_bit, jpegls]) == [0x0000] * 3
    for path in (report, one_bit, jpegls):
        stored, original = dcmread(server.folder / path.name), dcmread(path)
        assert stored == original
        assert stored.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID


def damaged_objects(folder):
    """Yield files that must be refused, and the statuses."""
    short = read("CT_small.dcm")
    short.PixelData = short.PixelData[:-2000]
    yield save(folder, short), 0xC000
    cut = read("MR_small_jpeg_ls_lossless.dcm")
    cut.PixelData = encapsulate([jls.encode(cut.pixel_array)[:-500]])
    yield save(folder, cut), 0xC000
    garbage = read("MR_small_RLE.dcm")
    garbage.PixelData = encapsulate([b"\xff" * 1000])
    assert garbage.file_meta.TransferSyntaxUID == RLELossless
    yield save(folder, garbage), 0xC000
    huge = read("CT_small.dcm")
    huge.Rows = huge.Columns = 65535
    yield save(folder, huge), 0xC000
    other = read("CT_small.dcm")
    path = save(folder, other)
    other.file_meta.MediaStorageSOPInstanceUID = generate_uid()  # what the request will name
    other.save_as(path)
    yield path, 0xA900
    outside = read("CT_small.dcm")
    outside.SOPInstanceUID = outside.file_meta.MediaStorageSOPInstanceUID = "../../outside"
    outside.save_as(folder / "outside.dcm")
    yield folder / "outside.dcm", 0xA900


@pytest.mark.filterwarnings("ignore:.*(UI|UID):UserWarning")
def test_what_cannot_be_stored_is_refused_and_the_next_object_is_stored(tmp_path, server):
    damaged = list(damaged_objects(tmp_path))
    sound = save(tmp_path, read("CT_small.dcm"))
    changed = read("CT_small.dcm")
    changed.PixelData = changed.PixelData[::-1]
    (tmp_path / "other").mkdir()
    duplicate = save(tmp_path / "other", changed, sound.stem)
    paths = [*(path for path, _ in damaged), sound, duplicate]
    assert send(server.port, paths) == [*(status for _, status in damaged), 0x0000, 0x0111]
    assert server.stored() == {sound.name}
    check_stored(server.folder / sound.name, sound)
    assert not (tmp_path / "outside").exists()
    assert list((server.folder / "incoming").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of another process is read from /proc")
def test_memory_does_not_depend_on_the_size_of_an_object(tmp_path, server):
    """Two associations send 16 MiB each. Streams are kept in memory up to 16 MiB, and these are small."""
    frames = np.repeat(np.arange(2**23 // 128, dtype=np.uint16) % 4096, 128).reshape(512, 128, 128)
    small = save(tmp_path, make_dataset(frames[:32], bits_stored=12))
    large = make_dataset(frames, bits_stored=12)
    paths = [save(tmp_path, large) for _ in range(2)]
    assert send_all(server.port, [[small]] * 2) == [[0x0000]] * 2
    before = server.peak_memory()
    assert send_all(server.port, [[path] for path in paths]) == [[0x0000]] * 2
    assert server.peak_memory() - before < 10 * 2**20
    for path in paths:
        check_stored(server.folder / path.name, path)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of another process is read from /proc")
def test_memory_does_not_depend_on_the_number_of_objects(tmp_path, server):
    """Six associations send eight objects each, and six more do so afterwards."""
    ct = read("CT_small.dcm")
    groups = [[save(tmp_path, ct) for _ in range(8)] for _ in range(12)]
    assert send_all(server.port, groups[:6]) == [[0x0000] * 8] * 6
    before = server.peak_memory()
    assert send_all(server.port, groups[6:]) == [[0x0000] * 8] * 6
    assert server.peak_memory() - before < 10 * 2**20
    assert server.stored() == {path.name for group in groups for path in group}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_acknowledged_objects_outlive_the_server(tmp_path, server):
    ct = read("CT_small.dcm")
    groups = [[save(tmp_path, ct) for _ in range(8)] for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send_all, server.port, groups, 3)
        while len(server.stored()) < 6:
            time.sleep(0.002)
        server.stop(signal.SIGKILL)
        answers = sent.result()
    acknowledged = [
        path
        for group, statuses in zip(groups, answers, strict=True)
        for path, status in zip(group, statuses, strict=True)
        if status == 0x0000
    ]
    assert 0 < len(acknowledged) < 32
    again = Server(server.folder)
    try:
        assert list((server.folder / "incoming").iterdir()) == []
        stored = again.stored()
        assert stored >= {path.name for path in acknowledged}
        for name in stored:  # also those whose answer was lost
            check_stored(server.folder / name, tmp_path / name)
        assert send_all(again.port, groups) == [[0x0000] * 8] * 4
        assert again.stored() == {path.name for group in groups for path in group}
    finally:
        again.stop(signal.SIGTERM)
