from collections.abc import Sequence
from typing import Any, Literal, TypedDict, final

from dicom_jpegls.errors import StreamError
from dicom_jpegls.parameters import BufferLike, InterleaveMode, OptionalSegments, PresetCodingParameters, StreamInfo

__version__: str
__pyx_capi__: dict[str, Any]  # the functions of _codec.pxd

DEFAULT_MAX_DIMENSION: int
MAXIMUM_RESTART_INTERVAL: int
DEFAULT_MAX_SAMPLES: int

class _CharLSBuild(TypedDict):
    version: str
    source: str
    patches: list[str]
    fast_scan: bool
    lanes: bool

def charls_build() -> _CharLSBuild: ...
def check_partial_decoding() -> None: ...
def _use_scan_codecs(use: bool) -> bool: ...
def _use_lanes(use: bool) -> bool: ...
def error_text(code: int) -> str: ...
def _error(code: int) -> Exception: ...
def _codec_faults() -> dict[int, str]: ...
def _stream_faults() -> list[tuple[int, str, str]]: ...

@final
class NewBytes:
    def __new__(cls, size: int) -> NewBytes: ...
    @property
    def content(self) -> bytes: ...

def check_size(size: int) -> int: ...
def items_at_once(count: int, workers: int, most: int) -> int: ...

@final
class Stream:
    def __new__(
        cls,
        src: BufferLike,
        max_dimension: int = ...,
        max_samples: int = ...,
        partial: bool = False,
        preset_coding_parameters: PresetCodingParameters | None = None,
    ) -> Stream: ...
    @property
    def info(self) -> StreamInfo: ...
    @property
    def memory(self) -> tuple[tuple[int, ...], int]: ...
    @property
    def damage(self) -> StreamError | None: ...
    def decode_into(self, dst: BufferLike, *, stride: int = 0, workers: int | None = None) -> None: ...
    def decode_partial_into(self, dst: BufferLike, *, stride: int = 0) -> tuple[bytearray, StreamError | None]: ...
    def decode(self, *, workers: int | None = None) -> bytearray: ...

def decode_streams(
    streams: Sequence[Stream], targets: Sequence[BufferLike], *, workers: int | None = None
) -> list[Exception | None]: ...
def read_info(src: BufferLike, *, max_dimension: int = ..., max_samples: int = ...) -> StreamInfo: ...
def decode_into(
    src: BufferLike,
    dst: BufferLike,
    *,
    stride: int = 0,
    max_dimension: int = ...,
    max_samples: int = ...,
    workers: int | None = None,
    preset_coding_parameters: PresetCodingParameters | None = None,
) -> StreamInfo: ...
def max_encoded_size(*, width: int, height: int, component_count: int = 1, bits_per_sample: int) -> int: ...
def check_precision(bits_per_sample: int, near_lossless: int) -> None: ...
def default_interleave_mode(component_count: int) -> InterleaveMode: ...
def encode_into(
    src: BufferLike,
    dst: BufferLike,
    *,
    width: int,
    height: int,
    component_count: int = 1,
    bits_per_sample: int,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    stride: int = 0,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
    segments: OptionalSegments | None = None,
) -> int: ...
def encode(
    src: BufferLike,
    *,
    width: int,
    height: int,
    component_count: int = 1,
    bits_per_sample: int,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    stride: int = 0,
    restart_interval: int | Literal["auto"] | None = None,
    workers: int | None = None,
    segments: OptionalSegments | None = None,
) -> bytes: ...
def prepare_encoding(
    src: BufferLike,
    *,
    width: int,
    height: int,
    component_count: int = 1,
    bits_per_sample: int,
    near_lossless: int = 0,
    interleave_mode: InterleaveMode | None = None,
    stride: int = 0,
    restart_interval: int | Literal["auto"] | None = None,
    segments: OptionalSegments | None = None,
) -> _PreparedImage: ...

class _PreparedImage: ...  # only for `encode_prepared`

def encode_prepared(images: Sequence[_PreparedImage], *, workers: int | None = None) -> list[bytes]: ...
