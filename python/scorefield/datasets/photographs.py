"""Patches of real photographs."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, integer, seed_number
from scorefield.datasets._draw import uniform
from scorefield.datasets._files import package_file
from scorefield.pixels import from_uint8

NAMES = ("china.jpg", "flower.jpg")


def photos(size: int = 32, n: int = 1000, *, seed: int | None = 0) -> tuple[Array, npt.NDArray[np.int64]]:
    """Square patches, at random places, of two photographs of 427 x 640 pixels: a temple, a flower.

    size : side of a patch in pixels, 1..427.   n : patches, >= 1.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, size, size, 3) float32 in [-1, 1] and labels (n,) int64: i mod 2, 0 the temple, 1 the flower.
    Row i depends on (seed, i) and size only.
    Raises ImportError if scikit-learn or Pillow is missing: pip install "scorefield[data]".

    >>> x, labels = photos(32, 100)
    >>> x.shape
    (100, 32, 32, 3)

    Source: "china" by Daniel Buechele and "flower" by vultilion (flickr.com), CC BY 2.0; the copies in scikit-learn's
    wheel.
    """
    pictures = [_picture(name) for name in NAMES]  # each (H, W, 3) uint8
    size = integer(size, "size", 1, min(min(p.shape[:2]) for p in pictures))
    n = integer(n, "n", 1)
    u = uniform(n, 2, seed=seed_number(seed))
    patches = np.empty((n, size, size, 3), np.uint8)
    for k, picture in enumerate(pictures):
        windows = np.lib.stride_tricks.sliding_window_view(
            picture, (size, size), (0, 1)
        )  # (rows, columns, 3, size, size)
        row, column = (u[k :: len(pictures)] * windows.shape[:2]).astype(np.int64).T
        patches[k :: len(pictures)] = windows[row, column].transpose(0, 2, 3, 1)
    return from_uint8(patches), np.arange(n, dtype=np.int64) % len(pictures)


def _picture(name: str) -> npt.NDArray[np.uint8]:
    path = package_file("sklearn", f"datasets/images/{name}", project="scikit-learn")
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            'photos needs Pillow to read JPEG files; pip install "scorefield[data]"', name="PIL"
        ) from None
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
