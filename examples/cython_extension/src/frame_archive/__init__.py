"""Frames of a volume as one block of JPEG-LS streams."""

from frame_archive._archive import pack, unpack

__all__ = ["pack", "unpack"]
