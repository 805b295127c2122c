"""Frames of DICOM files as a sequence, for PyTorch's DataLoader and for any other pool of processes."""

from collections.abc import Sequence

import numpy as np
from pydicom import dcmread
from pydicom.pixels import pixel_array

import dicom_jpegls as jls

# In each process, since each imports this module: at the start of a worker by "spawn" and "forkserver", before it by
# "fork".
jls.register()


class Frames(Sequence):
    """All frames of some files. Each is decoded when it is asked for, in whatever process asks for it.

    A worker process receives paths and numbers only. pydicom reads the attributes and the one frame; with an offset
    table, which this package writes, it does not look at the others. The codec decodes in the calling thread, and
    starts no thread that a process could inherit.

    Parameters
    ----------
    paths : iterable of path-like
        DICOM files with JPEG-LS, native or other pixel data that pydicom can decode, of one shape and dtype if frames
        are collected into batches.
    """

    def __init__(self, paths):
        self._frames = [(path, frame) for path in paths for frame in range(number_of_frames(path))]

    def __len__(self):
        return len(self._frames)

    def __getitem__(self, index):
        path, frame = self._frames[index]
        return pixel_array(path, index=frame, raw=True)


class ScaledFrames(Frames):
    """The same frames, as float32 with a channel axis and values from 0 to 1."""

    def __init__(self, paths, *, maximum):
        super().__init__(paths)
        self._maximum = maximum

    def __getitem__(self, index):
        frame = super().__getitem__(index)
        return np.divide(frame, self._maximum, dtype=np.float32)[np.newaxis]


def number_of_frames(path):
    """Return the number of frames of a file."""
    ds = dcmread(path, stop_before_pixels=True, specific_tags=["NumberOfFrames"])
    return int(ds.get("NumberOfFrames") or 1)
