"""Pack and unpack a made volume, and say how much smaller it was in between."""

import numpy as np

from frame_archive import pack, unpack

frame, row, column = np.ogrid[:20, :256, :256]
volume = (1000 + 300 * np.sin(row / 40) * np.cos(column / 60 + frame / 10)).astype(np.uint16)
block, offsets = pack(volume, bits_per_sample=12)
again = np.empty_like(volume)
unpack(block, offsets, again)
print(f"{len(volume)} frames: {volume.nbytes} bytes packed into {len(block)}")
print("unpacked without a difference" if np.array_equal(again, volume) else "unpacked wrongly")
