"""Test which other software reads our JPEG-LS, with and without restart markers, and whether we read theirs.

Usage: python benchmarks/interoperability.py [--node FOLDER] [--write] [--verbose]

Peers that are not installed are shown as such; ``pip install SimpleITK itk-io python-gdcm pylibjpeg pyjpegls
pylibjpeg-libjpeg imagecodecs pillow-jpls av dcm2niix`` and ``apt-get install dcmtk libgdcm-tools orthanc nodejs npm``
install them. JavaScript packages are installed with npm into a temporary folder, unless ``--node`` names a folder in
which that was done. ``--write`` puts the tables into docs/interoperability.md. ``--verbose`` prints the
reason for every result that is not exact.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.metadata
import io
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

import dicom_jpegls as jls

DOCUMENT = Path(__file__).parents[1] / "docs" / "interoperability.md"
TIME_LIMIT = 20.0
NODE_FOLDER = "DICOM_JPEGLS_NODE_FOLDER"
_CODEC_CHARLS = "@cornerstonejs/codec-charls"
NODE_PACKAGES = (_CODEC_CHARLS, "daikon", "dcmjs", "dicom-parser")
ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
# That of the Python package index; Debian's is built without JPEG-LS.
DCM2NIIX = str(Path(sys.executable).with_name("dcm2niix"))

Array = NDArray[Any]


# Images and datasets


def random_frames(shape: tuple[int, ...], bits_stored: int, dtype: str, margin: int = 0) -> Array:
    """Make frames with structure and noise over the whole range of a precision, except for a margin at its ends."""
    rng = np.random.default_rng(1)
    levels = 1 << bits_stored
    ramp = np.indices(shape).sum(axis=0) * max(1, levels // 64)
    noise = rng.integers(0, max(2, levels // 16), size=shape)
    low = -levels // 2 if dtype.startswith("i") else 0
    samples = low + (ramp + noise) % levels
    samples.flat[:1], samples.flat[-1:] = low, low + levels - 1
    return samples.clip(low + margin, low + levels - 1 - margin).astype(dtype)


def make_dataset(
    frames: Array, bits_stored: int, photometric_interpretation: str, planar_configuration: int | None = None
) -> Dataset:
    """Make a dataset with native pixel data from an array (frames, rows, columns[, samples])."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    color = frames.ndim == 4
    ds.SOPClassUID = SecondaryCaptureImageStorage
    if len(frames) > 1:
        ds.SOPClassUID = (
            MultiFrameTrueColorSecondaryCaptureImageStorage
            if color
            else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        )
        ds.NumberOfFrames = len(frames)
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["dicom-jpegls"])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    ds.PatientID, ds.Modality, ds.ImageType = "1", "OT", ["ORIGINAL", "PRIMARY"]
    ds.Rows, ds.Columns = frames.shape[1:3]
    ds.SamplesPerPixel = frames.shape[3] if color else 1
    ds.PhotometricInterpretation = photometric_interpretation
    ds.BitsAllocated = frames.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit = bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(frames.dtype.kind == "i")
    if color:
        ds.PlanarConfiguration = planar_configuration or 0
    if photometric_interpretation == "PALETTE COLOR":
        for name in ("Red", "Green", "Blue"):
            setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
            setattr(ds, f"{name}PaletteColorLookupTableData", np.arange(0, 65536, 256, dtype="<u2").tobytes())
    native = frames.transpose(0, 3, 1, 2) if color and planar_configuration == 1 else frames
    data = np.ascontiguousarray(native, frames.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    return ds


def save(ds: Dataset, path: Path) -> Path:
    """Write a dataset as a DICOM file."""
    ds.save_as(path, enforce_file_format=True)
    return path


def as_frames(samples: Array, ds: Dataset) -> Array:
    """Return decoded samples with a frame axis, the sign of the dataset, and no bits above Bits Stored."""
    shape = (int(ds.get("NumberOfFrames") or 1), ds.Rows, ds.Columns)
    frames = samples.reshape(shape if ds.SamplesPerPixel == 1 else (*shape, ds.SamplesPerPixel)).astype(np.int64)
    frames &= (1 << ds.BitsStored) - 1
    if ds.PixelRepresentation == 1:
        frames[frames >= 1 << (ds.BitsStored - 1)] -= 1 << ds.BitsStored
    return frames


def native_frames(path: Path) -> Array:
    """Read native pixel data."""
    ds = dcmread(path)
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        raise ValueError("the file is still compressed")
    return as_frames(pixel_array(ds, raw=True), ds)


# Peers: how each one is asked to decode a file into frames, and to encode a file with native pixel data


class Peer(NamedTuple):
    """Another implementation, or another way of using one."""

    version: Callable[[], str]
    decode: Callable[[Path], Array] | None
    encode: Callable[[Path, Path, int], None] | None
    reads_native: bool = False
    """Whether `decode` takes native files, too; then these show what it cannot read in any transfer syntax."""


class Unable(Exception):  # noqa: N818
    """A peer has no means to do this at all, which is not a refusal."""


def _package(*names: str) -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def _run(*command: str | Path) -> bytes:
    process = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if process.returncode < 0:
        os.abort()  # so that the caller sees a crash
    if process.returncode:
        raise RuntimeError((process.stderr + process.stdout).decode(errors="replace"))
    return process.stdout


def _transfer_syntax(near_lossless: int) -> str:
    return JPEGLSNearLossless if near_lossless else JPEGLSLossless


def _decode_streams(decode: Callable[[bytes], Array], source: Path) -> Array:
    ds = dcmread(source)
    frames = generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames") or 1))
    return as_frames(np.stack([decode(frame) for frame in frames]), ds)


def _encode_streams(encode: Callable[[Array, Dataset, int], bytes], source: Path, target: Path, near: int) -> None:
    ds = dcmread(source)
    frames = native_frames(source).astype(np.int64)
    if encode is _imagecodecs_encode:  # takes what lies in memory
        unsigned = frames.astype(f"u{ds.BitsAllocated // 8}")
    else:
        unsigned = (frames & ((1 << ds.BitsStored) - 1)).astype(np.uint8 if ds.BitsStored <= 8 else np.uint16)
    ds.PixelData = encapsulate([encode(np.ascontiguousarray(frame), ds, near) for frame in unsigned])
    ds["PixelData"].VR = "OB"
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = 0
    ds.file_meta.TransferSyntaxUID = _transfer_syntax(near)
    save(ds, target)


def _ours_encode(source: Path, target: Path, near: int, **options: Any) -> None:
    ds = dcmread(source)
    jls.compress(ds, _transfer_syntax(near), near_lossless=near, **options)
    save(ds, target)


def _ours_encode_frame(frame: Array, ds: Dataset, near: int, **options: Any) -> bytes:
    return jls.encode(frame, bits_per_sample=ds.BitsStored, near_lossless=near, **options)


def _ours_decode(source: Path) -> Array:
    ds = dcmread(source)
    return as_frames(jls.pixel_array(ds), ds)


def _plugin_decode(plugin: str, source: Path) -> Array:
    ds = dcmread(source)
    return as_frames(pixel_array(ds, raw=True, decoding_plugin=plugin), ds)


def _plugin_encode(plugin: str, source: Path, target: Path, near: int) -> None:
    ds = dcmread(source)
    options = {"jls_error": near} if near else {}
    ds.compress(_transfer_syntax(near), encoding_plugin=plugin, generate_instance_uid=False, **options)
    save(ds, target)


def _imagecodecs_decode(stream: bytes) -> Array:
    import imagecodecs

    return imagecodecs.jpegls_decode(stream)


def _imagecodecs_encode(frame: Array, ds: Dataset, near: int) -> bytes:  # noqa: ARG001
    import imagecodecs

    return imagecodecs.jpegls_encode(frame, level=near)


def _imagecodecs_version() -> str:
    import imagecodecs

    return f"imagecodecs {imagecodecs.__version__} ({imagecodecs.jpegls_version().replace('charls', 'CharLS')})"


def _pillow_decode(stream: bytes) -> Array:
    import pillow_jpls  # noqa: F401
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(stream)))


def _pillow_encode(frame: Array, ds: Dataset, near: int) -> bytes:
    import pillow_jpls  # noqa: F401
    from PIL import Image

    if frame.ndim == 3 and frame.dtype.itemsize == 2:
        raise Unable("Pillow has no mode for colour of more than 8 bits")
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG-LS", bits_per_sample=ds.BitsStored, near_lossless=near, spiff=None)
    return file.getvalue()


def _python_gdcm_convert(source: Path, target: Path, near: int | None) -> None:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    if not reader.Read():
        raise RuntimeError("GDCM cannot read the file")
    change = gdcm.ImageChangeTransferSyntax()
    syntax = gdcm.TransferSyntax.ExplicitVRLittleEndian
    if near is not None:
        syntax = gdcm.TransferSyntax.JPEGLSNearLossless if near else gdcm.TransferSyntax.JPEGLSLossless
    if near:
        codec = gdcm.JPEGLSCodec()
        codec.SetLossless(False)
        codec.SetLossyError(near)
        change.SetUserCodec(codec)
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError("GDCM cannot change the transfer syntax")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise RuntimeError("GDCM cannot write the file")


def _python_gdcm_decode(source: Path) -> Array:
    target = source.with_name("native.dcm")
    _python_gdcm_convert(source, target, None)
    return native_frames(target)


def _gdcmconv_decode(source: Path) -> Array:
    target = source.with_name("native.dcm")
    _run("gdcmconv", "--raw", source, target)
    return native_frames(target)


def _gdcmconv_encode(source: Path, target: Path, near: int) -> None:
    _run("gdcmconv", "--jpegls", *(("--lossy", "--allowed-error", str(near)) if near else ()), source, target)


def _dcmtk_decode(source: Path) -> Array:
    target = source.with_name("native.dcm")
    _run("dcmdjpls", source, target)
    return native_frames(target)


def _dcmtk_encode(options: tuple[str, ...], source: Path, target: Path, near: int) -> None:
    _run("dcmcjpls", *options, *(("+en", "+md", str(near)) if near else ()), source, target)


def _command_version(name: str, command: str, pattern: str) -> str:
    if shutil.which(command) is None:
        raise ImportError(command)
    output = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(pattern, output)
    return f"{name} {found[1] if found else ''} ({Path(command).name})"


def _simpleitk_decode(source: Path) -> Array:
    import SimpleITK

    return as_frames(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(source))), dcmread(source))


def _itk_decode(source: Path) -> Array:
    import itk

    ds = dcmread(source)
    try:
        return as_frames(np.asarray(itk.imread(str(source))), ds)
    except itk.TemplateTypeError as error:
        raise Unable("ITK's Python package has no images of this type") from error


def _ffmpeg_decode(stream: bytes) -> Array:
    import av

    codec = av.CodecContext.create("jpegls", "r")
    frame = (codec.decode(av.Packet(stream)) + codec.decode(None))[0]
    samples = frame.to_ndarray()
    # FFmpeg scales samples up to 8 or 16 bits, which can be undone by anyone who knows the precision.
    return samples >> (samples.dtype.itemsize * 8 - jls.read_info(stream).bits_per_sample)


def _ffmpeg_encode(frame: Array, ds: Dataset, near: int) -> bytes:
    import av

    if near:
        raise Unable("PyAV's encoder has no option for NEAR")
    if ds.BitsStored not in (8, 16):
        raise Unable("FFmpeg encodes only 8 and 16 bits")
    if frame.ndim == 3 and ds.BitsStored > 8:
        raise Unable("FFmpeg encodes colour only with 8 bits")
    picture = av.VideoFrame.from_ndarray(
        frame, format="rgb24" if frame.ndim == 3 else "gray" if frame.itemsize == 1 else "gray16le"
    )
    codec = av.CodecContext.create("jpegls", "w")
    codec.width, codec.height, codec.pix_fmt, codec.framerate = picture.width, picture.height, picture.format.name, 1
    return bytes((codec.encode(picture) + codec.encode(None))[0])


def _ffmpeg_version() -> str:
    import av

    return f"FFmpeg's libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))} ({_package('av')})"


# What JavaScript programs do. Results are printed as JSON, samples are written to a file.
_NODE_SCRIPT = """
const fs = require('fs');
const [folder, operation, source, target, options] = process.argv.slice(1);
const load = name => require(require.resolve(name, {paths: [folder]}));
const bytes = () => fs.readFileSync(source);
const arrayBuffer = () => new Uint8Array(bytes()).buffer;
const charls = async () => load('@cornerstonejs/codec-charls')();

function decodeFrames(codec, frames) {
  const infos = [], samples = [];
  for (const frame of frames) {
    const decoder = new codec.JpegLSDecoder();
    decoder.getEncodedBuffer(frame.length).set(frame);
    decoder.decode();
    samples.push(Buffer.from(decoder.getDecodedBuffer()));
    infos.push({...decoder.getFrameInfo(), interleaveMode: decoder.getInterleaveMode()});
    decoder.delete();
  }
  fs.writeFileSync(target, Buffer.concat(samples));
  console.log(JSON.stringify(infos));
}

// As @cornerstonejs/dicom-image-loader does it.
function dicomParserFrames() {
  const parser = load('dicom-parser');
  const dataset = parser.parseDicom(new Uint8Array(bytes()));
  const element = dataset.elements.x7fe00010;
  const count = dataset.intString('x00280008') || 1;
  const table = element.basicOffsetTable.length ? element.basicOffsetTable
    : count !== element.fragments.length ? parser.createJPEGBasicOffsetTable(dataset, element) : null;
  return [...Array(count).keys()].map(frame => table
    ? parser.readEncapsulatedImageFrame(dataset, element, frame, table)
    : parser.readEncapsulatedPixelDataFromFragments(dataset, element, frame));
}

const operations = {
  version: async () => console.log((await charls()).getVersion()),
  decode: async () => decodeFrames(await charls(), [bytes()]),
  encode: async () => {
    const {near, interleaveMode, ...frameInfo} = JSON.parse(options);
    const encoder = new (await charls()).JpegLSEncoder();
    encoder.getDecodedBuffer(frameInfo).set(bytes());
    encoder.setNearLossless(near);
    encoder.setInterleaveMode(interleaveMode);
    encoder.encode();
    fs.writeFileSync(target, encoder.getEncodedBuffer());
  },
  'dicom-parser': async () => decodeFrames(await charls(), dicomParserFrames()),
  dcmjs: async () => {
    const {dict} = load('dcmjs').data.DicomMessage.readFile(arrayBuffer());
    decodeFrames(await charls(), dict['7FE00010'].Value.map(frame => new Uint8Array(frame)));
  },
  daikon: async () => {
    const image = load('daikon').Series.parseImage(new DataView(arrayBuffer()));
    image.decompress();
    const samples = image.getPixelData().value;
    fs.writeFileSync(target, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength));
  },
};
operations[operation]().catch(error => { console.error(error); process.exit(1); });
"""


def _node(operation: str, source: Path, options: dict[str, Any] | None = None) -> tuple[bytes, bytes]:
    folder = os.environ.get(NODE_FOLDER)
    if not folder or shutil.which("node") is None:
        raise ImportError("node")
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary, "target")
        printed = _run("node", "-e", _NODE_SCRIPT, "--", folder, operation, source, target, json.dumps(options))
        return printed, target.read_bytes() if target.exists() else b""


def _node_bytes(operation: str, data: bytes, options: dict[str, Any] | None = None) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "source")
        source.write_bytes(data)
        return _node(operation, source, options)


def _node_package(*names: str) -> str:
    folder = os.environ.get(NODE_FOLDER)
    if not folder or shutil.which("node") is None:
        raise ImportError("node")
    packages = [json.loads(Path(folder, "node_modules", name, "package.json").read_text()) for name in names]
    return ", ".join(f"{package['name']} {package['version']}" for package in packages)


def _codec_charls_version() -> str:
    return f"{_node_package(_CODEC_CHARLS)} (CharLS {_node_bytes('version', b'')[0].decode().strip()})"


def _codec_charls_frames(printed: bytes, data: bytes) -> Array:
    frames = []
    for info in json.loads(printed):
        dtype = np.dtype(np.uint8 if info["bitsPerSample"] <= 8 else "<u2")
        shape, components = (info["height"], info["width"]), info["componentCount"]
        size = shape[0] * shape[1] * components * dtype.itemsize
        samples, data = np.frombuffer(data[:size], dtype), data[size:]
        # The layout depends on the interleave mode.
        if components > 1 and info["interleaveMode"] in (0, {"value": 0}):
            frames.append(samples.reshape(components, *shape).transpose(1, 2, 0))
        else:
            frames.append(samples.reshape(*shape, components) if components > 1 else samples.reshape(shape))
    return np.stack(frames)


def _codec_charls_decode(stream: bytes) -> Array:
    return _codec_charls_frames(*_node_bytes("decode", stream))[0]


def _codec_charls_encode(frame: Array, ds: Dataset, near: int) -> bytes:
    components = 1 if frame.ndim == 2 else frame.shape[2]
    options = {
        "width": frame.shape[1],
        "height": frame.shape[0],
        "bitsPerSample": ds.BitsStored,
        "componentCount": components,
        "near": near,
        "interleaveMode": 2 if components > 1 else 0,
    }
    return _node_bytes("encode", frame.tobytes(), options)[1]


def _by_codec_charls(parser: str, source: Path) -> Array:
    return as_frames(_codec_charls_frames(*_node(parser, source)), dcmread(source))


def _daikon_decode(source: Path) -> Array:
    ds = dcmread(source)
    samples = np.frombuffer(_node("daikon", source)[1], f"<u{ds.BitsAllocated // 8}")
    return as_frames(samples, ds)


def _dcm2niix_decode(source: Path) -> Array:
    ds = dcmread(source)
    with tempfile.TemporaryDirectory() as folder:
        _run(DCM2NIIX, "-s", "y", "-b", "n", "-f", "image", "-o", folder, source)
        (path,) = Path(folder).glob("*.nii")
        data = path.read_bytes()
    # The header of NIfTI-1: dim, datatype, vox_offset, and whether numbers are scaled (scl_slope, scl_inter).
    columns, rows, frames = np.frombuffer(data, "<i2", 3, 42)
    datatype = int(np.frombuffer(data, "<i2", 1, 70)[0])
    offset, slope, intercept = np.frombuffer(data, "<f4", 3, 108)
    if datatype not in _NIFTI_TYPES or slope not in (0, 1) or intercept:
        raise RuntimeError(f"NIfTI data type {datatype}, slope {slope}, intercept {intercept}")
    samples = np.frombuffer(data, _NIFTI_TYPES[datatype], offset=int(offset))
    # The lowest row is the first.
    return as_frames(samples.reshape(frames, rows, columns, ds.SamplesPerPixel)[:, ::-1].ravel(), ds)


# By the codes in the header; 128 is RGB.
_NIFTI_TYPES = {2: "u1", 4: "<i2", 8: "<i4", 128: "u1", 256: "i1", 512: "<u2"}


def _orthanc_decode(source: Path) -> Array:
    """Upload a file to a server that accepts only local requests, and ask for the samples."""
    ds = dcmread(source)
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        configuration = {
            "StorageDirectory": folder,
            "IndexDirectory": folder,
            "HttpPort": port,
            "RemoteAccessAllowed": False,
            "DicomServerEnabled": False,
            "Plugins": [],
        }
        path = Path(folder, "orthanc.json")
        path.write_text(json.dumps(configuration))
        with subprocess.Popen([ORTHANC, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                return as_frames(_ask_orthanc(f"http://127.0.0.1:{port}", source), ds)
            finally:
                server.kill()  # nothing that it has stored is needed


def _ask_orthanc(address: str, source: Path) -> Array:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(path: str, data: bytes | None = None) -> bytes:
        with opener.open(address + path, data, TIME_LIMIT / 4) as response:
            return response.read()

    for _ in range(50):
        with contextlib.suppress(urllib.error.URLError):
            ask("/system")
            break
        time.sleep(0.1)
    identifier = json.loads(ask("/instances", source.read_bytes()))["ID"]
    count = len(json.loads(ask(f"/instances/{identifier}/frames")))
    frames = [ask(f"/instances/{identifier}/frames/{number}/numpy?rescale=false") for number in range(count)]
    return np.concatenate([np.load(io.BytesIO(frame)) for frame in frames])


def _orthanc_version() -> str:
    if not Path(ORTHANC).exists():
        raise ImportError("Orthanc")
    return _command_version("Orthanc", ORTHANC, r"Orthanc ([\d.]+)")


def _dcm2niix_version() -> str:
    return _command_version("dcm2niix", DCM2NIIX, r"v([\d.]+)")


def _dcmtk_version() -> str:
    return _command_version("DCMTK", "dcmdjpls", r"v([\d.]+)")


def _gdcm_version() -> str:
    return _command_version("GDCM", "gdcmconv", r"gdcm ([\d.]+)")


OURS = "dicom-jpegls"
PEERS = {
    OURS: Peer(
        lambda: f"{_package('dicom-jpegls')} (CharLS {jls.charls_build()['version']})", _ours_decode, _ours_encode
    ),
    "DCMTK": Peer(_dcmtk_version, _dcmtk_decode, functools.partial(_dcmtk_encode, ())),
    "DCMTK +is": Peer(_dcmtk_version, None, functools.partial(_dcmtk_encode, ("+is",))),
    "DCMTK +in": Peer(_dcmtk_version, None, functools.partial(_dcmtk_encode, ("+in",))),
    "DCMTK +pc": Peer(_dcmtk_version, None, functools.partial(_dcmtk_encode, ("+pc",))),
    "GDCM": Peer(_gdcm_version, _gdcmconv_decode, _gdcmconv_encode, True),
    "python-gdcm": Peer(lambda: _package("python-gdcm"), _python_gdcm_decode, _python_gdcm_convert, True),
    "pydicom with GDCM": Peer(
        lambda: _package("pydicom", "python-gdcm"), functools.partial(_plugin_decode, "gdcm"), None
    ),
    "pylibjpeg": Peer(
        lambda: _package("pylibjpeg", "pylibjpeg-libjpeg"), functools.partial(_plugin_decode, "pylibjpeg"), None
    ),
    "pyjpegls": Peer(
        lambda: f"{_package('pyjpegls')} (through {_package('pydicom')})",
        functools.partial(_plugin_decode, "pyjpegls"),
        functools.partial(_plugin_encode, "pyjpegls"),
    ),
    "imagecodecs": Peer(
        _imagecodecs_version,
        functools.partial(_decode_streams, _imagecodecs_decode),
        functools.partial(_encode_streams, _imagecodecs_encode),
    ),
    "pillow-jpls": Peer(
        lambda: _package("pillow-jpls", "pillow"),
        functools.partial(_decode_streams, _pillow_decode),
        functools.partial(_encode_streams, _pillow_encode),
    ),
    "SimpleITK": Peer(lambda: _package("SimpleITK"), _simpleitk_decode, None, True),
    "ITK": Peer(lambda: _package("itk-io"), _itk_decode, None, True),
    "dcm2niix": Peer(_dcm2niix_version, _dcm2niix_decode, None, True),
    "Orthanc": Peer(_orthanc_version, _orthanc_decode, None, True),
    "daikon": Peer(lambda: _node_package("daikon"), _daikon_decode, None, True),
    "dicom-parser with codec-charls (OHIF)": Peer(
        lambda: _node_package("dicom-parser", _CODEC_CHARLS), functools.partial(_by_codec_charls, "dicom-parser"), None
    ),
    "dcmjs with codec-charls": Peer(
        lambda: _node_package("dcmjs", _CODEC_CHARLS), functools.partial(_by_codec_charls, "dcmjs"), None
    ),
    "codec-charls (OHIF)": Peer(
        _codec_charls_version,
        functools.partial(_decode_streams, _codec_charls_decode),
        functools.partial(_encode_streams, _codec_charls_encode),
    ),
    "FFmpeg": Peer(
        _ffmpeg_version,
        functools.partial(_decode_streams, _ffmpeg_decode),
        functools.partial(_encode_streams, _ffmpeg_encode),
    ),
}


def installed(names: list[str]) -> dict[str, str | None]:
    """Return the versions of peers, None for those that are not installed."""
    versions: dict[str, str | None] = {}
    for name in names:
        try:
            versions[name] = PEERS[name].version()
        except (ImportError, OSError):
            versions[name] = None
    return versions


# Peers run in separate processes, since some of them hang or crash


class Outcome(NamedTuple):
    """The outcome of a call: a verdict in one word, the result if there is one, and details for people."""

    verdict: str
    result: Any = None
    details: str = ""


def _serve(connection: Any, verbose: bool) -> None:
    if not verbose:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    with contextlib.suppress(EOFError):
        while True:
            name, operation, arguments = connection.recv()
            try:
                result = getattr(PEERS[name], operation)(*arguments)
                connection.send(Outcome("done", result))
            except Unable as error:
                connection.send(Outcome("n/a", details=str(error)))
            except Exception as error:
                connection.send(Outcome("refuses", details=f"{type(error).__name__}: {error}"))


class Workers:
    """A process for each peer, restarted after a hang or a crash."""

    def __init__(self, verbose: bool = False) -> None:
        self._verbose = verbose
        self._context = multiprocessing.get_context("spawn")
        self._running: dict[str, tuple[Any, Any]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self._stop(name)

    def _stop(self, name: str) -> None:
        process, connection = self._running.pop(name)
        process.kill()
        process.join()
        connection.close()

    def call(self, name: str, operation: str, *arguments: Any) -> Outcome:
        """Make a peer decode or encode."""
        if getattr(PEERS[name], operation) is None:
            return Outcome("n/a")
        if name not in self._running:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs, self._verbose), daemon=True)
            process.start()
            theirs.close()
            self._running[name] = process, ours
        _, connection = self._running[name]
        try:
            connection.send((name, operation, arguments))
            if connection.poll(TIME_LIMIT):
                return connection.recv()
            verdict = "hangs"
        except (EOFError, OSError):
            verdict = "crashes"
        self._stop(name)
        return Outcome(verdict)


def is_right(outcome: Outcome) -> bool:
    """Return whether a verdict is that samples are right."""
    return outcome.verdict.startswith(("exact", "within"))


def judge(outcome: Outcome, expected: Array, near: int) -> Outcome:
    """Compare decoded frames with the encoded ones."""
    if outcome.verdict != "done":
        return outcome
    found = outcome.result
    if found.shape != expected.shape:
        return Outcome("WRONG (shape)", found, f"shape {found.shape}")
    error = int(np.abs(found - expected.astype(np.int64)).max())
    if error > near:
        black = " (black)" if not found.any() else ""
        return Outcome(f"WRONG{black or f' (error {error})'}", found, f"largest error {error}")
    return Outcome(f"within {near}" if near else "exact", found, f"largest error {error}")


# The tables


class Case(NamedTuple):
    """An image, and how it is coded."""

    name: str
    frames: Array
    bits_stored: int
    photometric_interpretation: str = "MONOCHROME2"
    planar_configuration: int | None = None
    near_lossless: int = 0
    options: dict[str, Any] | None = None
    """For `dicom_jpegls.compress`."""
    encode_options: dict[str, Any] | None = None
    """For `dicom_jpegls.encode`, where `dicom_jpegls.compress` lacks an option."""


_IMAGE, _COLOR, _FRAMES, _COLOR_FRAMES = (1, 48, 61), (1, 48, 61, 3), (5, 48, 61), (5, 48, 61, 3)


def _grey(name: str, bits: int, dtype: str, near: int = 0, shape: tuple[int, ...] = _IMAGE, **options: Any) -> Case:
    margin = near if dtype.startswith("i") else 0
    frames = random_frames(shape, bits, dtype, margin)
    return Case(name, frames, bits, near_lossless=near, options=options)


def _color(
    name: str, near: int = 0, shape: tuple[int, ...] = _COLOR, bits: int = 8, kind: str = "RGB", **options: Any
) -> Case:
    planes = int(options.pop("native_by_plane", False))
    return Case(name, random_frames(shape, bits, "u1" if bits <= 8 else "u2"), bits, kind, planes, near, options)


_COMMON_CASES = (
    _grey("8 bits", 8, "u1"),
    _grey("8 bits stored in 16", 8, "u2"),
    _grey("12 bits", 12, "u2"),
    _grey("16 bits", 16, "u2"),
    _grey("signed 8 bits", 8, "i1"),
    _grey("signed 12 bits", 12, "i2"),
    _grey("signed 16 bits", 16, "i2"),
    _grey("6 bits", 6, "u1"),
    _grey("7 bits", 7, "u1"),
    _grey("12 bits, 5 frames", 12, "u2", shape=_FRAMES),
    _grey("8 bits, 3 x 3", 8, "u1", shape=(1, 3, 3)),
    _grey("12 bits, 1 x 1", 12, "u2", shape=(1, 1, 1)),
    _grey("8 bits, NEAR 2", 8, "u1", 2),
    _grey("12 bits, NEAR 2", 12, "u2", 2),
    _grey("signed 12 bits, NEAR 2", 12, "i2", 2),
    _grey("signed 16 bits, NEAR 2", 16, "i2", 2),
    _color("RGB"),
    _color("RGB, 3 x 3", shape=(1, 3, 3, 3)),
    _color("RGB, 5 frames", shape=_COLOR_FRAMES),
    _color("RGB, NEAR 2", 2),
    _color("RGB, 16 bits", bits=16),
    _color("YBR_FULL", kind="YBR_FULL"),
)
CASES = (
    *_COMMON_CASES,
    _grey("signed 8 bits stored in 16", 8, "i2"),
    _grey("8 bits stored in 16, NEAR 2", 8, "u2", 2),
    _grey("signed 8 bits stored in 16, NEAR 2", 8, "i2", 2),
    _grey("7 bits stored in 16", 7, "u2"),
    _grey("6 bits, NEAR 2", 6, "u1", 2),
    _color("RGB, native by plane", native_by_plane=True),
    _color("RGB, native by plane, 5 frames", shape=_COLOR_FRAMES, native_by_plane=True),
)
THEIR_CASES = (
    *_COMMON_CASES,
    _color("RGB, native by plane", native_by_plane=True),
    _color("RGB, native by plane, 5 frames", shape=_COLOR_FRAMES, native_by_plane=True),
)
REQUESTED_CASES = (
    _color("RGB by plane", planar_configuration=1),
    _color("RGB by plane, 5 frames", shape=_COLOR_FRAMES, planar_configuration=1),
    _color("RGB by plane, NEAR 2", 2, planar_configuration=1),
    _grey("12 bits, 5 frames, Extended Offset Table", 12, "u2", shape=_FRAMES, offset_table="extended"),
    _grey("12 bits, 5 frames, empty Basic Offset Table", 12, "u2", shape=_FRAMES, offset_table="empty"),
    _grey("8 bits stored in 16, reduced to 8", 8, "u2", reduce_bits_allocated=True),
    _grey("12 bits, all 16 bits kept", 12, "u2", unused_bits="keep"),
    _grey("signed 12 bits, all 16 bits kept", 12, "i2", unused_bits="keep"),
    # `compress` does not write this form.
    Case("8 bits stored in 16, streams of 8 bits", random_frames(_IMAGE, 8, "u2"), 8, encode_options={}),
)


def _with_restart_markers(
    name: str, bits: int, mode: jls.InterleaveMode | None = None, near: int = 0, lines: int | None = 5
) -> Case:
    frames = random_frames(_IMAGE if mode is None else (*_IMAGE, 3), bits, "u1" if bits == 8 else "u2")
    photometric_interpretation = "MONOCHROME2" if mode is None else "RGB"
    options = {"interleave_mode": mode, "restart_interval": lines}
    return Case(name, frames, bits, photometric_interpretation, 0, near, encode_options=options)


# 48 lines in intervals of 5: the numbers of the markers wrap, and the last interval is shorter.
RESTART_CASES = (
    _with_restart_markers("8 bits", 8),
    _with_restart_markers("12 bits", 12),
    _with_restart_markers("16 bits", 16),
    _with_restart_markers("16 bits, intervals of one line", 16, lines=1),
    _with_restart_markers("12 bits, NEAR 2", 12, near=2),
    _with_restart_markers("RGB by pixel", 8, jls.InterleaveMode.SAMPLE),
    _with_restart_markers("RGB by line", 8, jls.InterleaveMode.LINE),
    _with_restart_markers(
        "RGB by line, for comparison without restart markers", 8, jls.InterleaveMode.LINE, lines=None
    ),
    _with_restart_markers("RGB by plane", 8, jls.InterleaveMode.NONE),
    _with_restart_markers("RGB by pixel, 16 bits", 16, jls.InterleaveMode.SAMPLE),
    _with_restart_markers("RGB by line, 16 bits", 16, jls.InterleaveMode.LINE),
    _with_restart_markers("RGB by plane, 16 bits", 16, jls.InterleaveMode.NONE),
)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_marked(document: Path, content: str, name: str = "results") -> None:
    """Replace the text between the two markers of that name in a document."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    before, rest = document.read_text().split(begin)
    after = rest.split(end)[1]
    document.write_text(f"{before}{begin}\n\n{content}\n\n{end}{after}")


def versions_text(versions: dict[str, str | None]) -> str:
    """List the versions used, each once."""
    found = dict.fromkeys(version for version in versions.values() if version)
    missing = [name for name, version in versions.items() if version is None]
    return f"Versions: {'; '.join(found)}." + (f" Not installed: {', '.join(missing)}." if missing else "")


def _read_ours(workers: Workers, case: Case, native: Path, readers: list[str]) -> Iterator[Outcome]:
    compressed = native.with_name("ours.dcm")
    if case.encode_options is None:
        _ours_encode(native, compressed, case.near_lossless, **(case.options or {}))
    else:
        encode = functools.partial(_ours_encode_frame, **case.encode_options)
        _encode_streams(encode, native, compressed, case.near_lossless)
    for name in readers:
        outcome = judge(workers.call(name, "decode", compressed), case.frames, case.near_lossless)
        if PEERS[name].reads_native and not is_right(outcome):
            outcome = _compared_with_native(outcome, workers.call(name, "decode", native), case.near_lossless)
        yield outcome


def _compared_with_native(outcome: Outcome, native: Outcome, near: int) -> Outcome:
    """Name it if a peer returns the same, or refuses, for the native file."""
    if outcome.result is None and native.verdict == outcome.verdict:
        return outcome._replace(verdict=f"{outcome.verdict}, native too")
    if near or outcome.result is None or not np.array_equal(native.result, outcome.result):
        return outcome
    return outcome._replace(verdict="as native")


def _read_theirs(workers: Workers, case: Case, native: Path, writers: list[str]) -> Iterator[Outcome]:
    for name in writers:
        compressed = native.with_name("theirs.dcm")
        compressed.unlink(missing_ok=True)
        outcome = workers.call(name, "encode", native, compressed, case.near_lossless)
        if outcome.verdict != "done":
            yield Outcome("n/a" if outcome.verdict == "n/a" else f"it {outcome.verdict}", details=outcome.details)
            continue
        ours = judge(workers.call(OURS, "decode", compressed), case.frames, case.near_lossless)
        if is_right(ours):
            yield ours
            continue
        # Independent decoders show whether the encoder or this package is at fault.
        others = [workers.call(other, "decode", compressed).result for other in ("pylibjpeg", "DCMTK", name)]
        same = [np.array_equal(other, ours.result) for other in others if other is not None]
        blame = "as in every decoder" if same and all(same) else f"same in {sum(same)} of {len(same)} decoders"
        yield ours._replace(verdict=f"{ours.verdict}, {blame}")


def _table(
    rows: Callable[[Workers, Case, Path, list[str]], Iterator[Outcome]],
    cases: tuple[Case, ...],
    names: list[str],
    verbose: bool,
) -> tuple[str, dict[str, str | None]]:
    versions = installed(names)
    present = [name for name in names if versions[name]]
    lines = []
    with Workers(verbose) as workers, tempfile.TemporaryDirectory() as temporary:
        native = Path(temporary, "original.dcm")
        for case in cases:
            save(make_dataset(case.frames, case.bits_stored, *case[3:5]), native)
            outcomes = dict(zip(present, rows(workers, case, native, present), strict=True))
            lines.append([case.name, *(outcomes[name].verdict if name in outcomes else "" for name in names)])
            for name, outcome in outcomes.items() if verbose else ():
                if not is_right(outcome):
                    print(f"{case.name}, {name}: {outcome.verdict}: {outcome.details}", file=sys.stderr)
    header = ["", *(name if versions[name] else f"{name} (not installed)" for name in names)]
    return markdown_table(header, lines), versions


def main() -> None:
    """Make all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", metavar="FOLDER", help=f"where npm installed {', '.join(NODE_PACKAGES)}")
    parser.add_argument("--write", action="store_true", help=f"update {DOCUMENT.name}")
    parser.add_argument("--verbose", action="store_true", help="print why something was refused or wrong")
    arguments = parser.parse_args()
    with node_folder(arguments.node):
        content = make_tables(arguments.verbose)
    print(content)
    if arguments.write:
        replace_marked(DOCUMENT, content)


@contextlib.contextmanager
def node_folder(folder: str | None) -> Iterator[None]:
    """Let worker processes know a folder with JavaScript packages; install them if there is none."""
    with tempfile.TemporaryDirectory() as temporary:
        if folder is None and shutil.which("npm"):
            folder = temporary
            subprocess.run(["npm", "install", "--ignore-scripts", *NODE_PACKAGES], cwd=folder, check=True)
        if folder is not None:
            os.environ[NODE_FOLDER] = str(Path(folder).resolve())
        yield


def make_tables(verbose: bool) -> str:
    """Return all tables and the versions."""
    readers = [name for name, peer in PEERS.items() if peer.decode and name != OURS]
    writers = [name for name, peer in PEERS.items() if peer.encode and name != OURS]
    ours, versions = _table(_read_ours, CASES, readers, verbose)
    on_request, _ = _table(_read_ours, REQUESTED_CASES, readers, verbose)
    strips, _ = _table(_read_ours, RESTART_CASES, readers, verbose)
    theirs, more = _table(_read_theirs, THEIR_CASES, writers, verbose)
    return "\n\n".join(
        (
            "### Our files, read by other software",
            ours,
            "### Forms that must be asked for, read by other software",
            on_request,
            "### Our files with restart markers, read by other software",
            strips,
            "### Files of other software, read by this package",
            theirs,
            versions_text(installed([OURS]) | versions | more),
        )
    )


if __name__ == "__main__":
    main()
