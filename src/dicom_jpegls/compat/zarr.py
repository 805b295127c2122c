"""A codec for Zarr version 3, by the entry point `dicom_jpegls`: each chunk is one grey image in a JPEG-LS stream.

A volume of shape (slices, rows, columns) is stored with chunks of shape (1, rows, columns), and read slice by slice.
The extra ``zarr`` is needed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec

from dicom_jpegls.array import decode, encode
from dicom_jpegls.errors import InvalidStreamError, ParameterError

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.common import JSON

NAME = "dicom_jpegls"
DTYPES = ("uint8", "int8", "uint16", "int16")


@dataclass(frozen=True)
class JPEGLSCodec(ArrayBytesCodec):
    """The serializer of an array whose chunks are grey images.

    Parameters
    ----------
    near_lossless : int, optional
        Largest absolute error of a sample, 0 (lossless) by default.
    bits_per_sample : int, optional
        Sample precision, 2 to 16, by default all bits of the dtype.

    Raises
    ------
    ParameterError
        When an array is created, if its dtype is not uint8, int8, uint16 or int16, or a chunk is not one image; when a
        chunk is written, if an option is out of range or a sample does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> zarr = pytest.importorskip("zarr")
    >>> from dicom_jpegls.compat.zarr import JPEGLSCodec
    >>> volume = np.arange(5 * 8 * 9, dtype=np.int16).reshape(5, 8, 9)
    >>> options = {"chunks": (1, 8, 9), "serializer": JPEGLSCodec(bits_per_sample=12), "compressors": None}
    >>> array = zarr.create_array({}, shape=volume.shape, dtype="int16", **options)
    >>> array[...] = volume
    >>> bool((array[3] == volume[3]).all())
    True
    """

    is_fixed_size = False

    near_lossless: int = 0
    bits_per_sample: int | None = None

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return the codec of the metadata of an array."""
        configuration: Any = data.get("configuration", {})
        return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec as metadata."""
        configuration: dict[str, JSON] = {"near_lossless": self.near_lossless}
        if self.bits_per_sample is not None:
            configuration["bits_per_sample"] = self.bits_per_sample
        return {"name": NAME, "configuration": configuration}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Check that an array can be coded: its dtype, and that each chunk is one image."""
        name = dtype.to_native_dtype().name
        if name not in DTYPES:
            raise ParameterError(f"dtype: must be {', '.join(DTYPES)}, found {name}")
        chunks = getattr(chunk_grid, "chunk_shape", shape)
        if len(chunks) < 2 or any(length != 1 for length in chunks[:-2]):
            raise ParameterError(f"chunks: must be one image, (1, ..., rows, columns), found {tuple(chunks)}")

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: the size of a stream depends on the samples."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        stream = await asyncio.to_thread(self._encode, chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(stream)

    def _encode(self, samples: np.ndarray[Any, Any]) -> bytes:
        return encode(
            samples.reshape(samples.shape[-2:]),
            bits_per_sample=self.bits_per_sample,
            near_lossless=self.near_lossless,
            workers=1,
        )

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        samples = await asyncio.to_thread(self._decode, chunk_data.to_bytes(), chunk_spec)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(samples)

    def _decode(self, stream: bytes, chunk_spec: ArraySpec) -> np.ndarray[Any, Any]:
        dtype = chunk_spec.dtype.to_native_dtype()
        samples = decode(stream, signed=dtype.kind == "i", workers=1)
        if samples.shape != chunk_spec.shape[-2:] or samples.dtype.itemsize > dtype.itemsize:
            raise InvalidStreamError(
                f"the chunk must be an image of shape {chunk_spec.shape[-2:]} and dtype {dtype}, found "
                f"{samples.shape} and {samples.dtype}"
            )
        return samples.astype(dtype, copy=False).reshape(chunk_spec.shape)
