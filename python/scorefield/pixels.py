"""Between pixels of 8 bits and the numbers that models work on."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, real_array


def from_uint8(u: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Map grey levels 0..255 to [-1, 1]: x = u / 127.5 - 1.

    u : uint8, any shape. Returns float32 of the same shape.
    Raises TypeError for any other dtype: whether 0.5 means a level or a brightness cannot be known.

    >>> from_uint8(np.array([0, 255], np.uint8))
    array([-1.,  1.], dtype=float32)
    """
    levels = np.asarray(u)
    if levels.dtype != np.uint8:
        raise TypeError(f"u must hold uint8 pixels, got dtype {levels.dtype}; for levels 0..255 use u.astype(np.uint8)")
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(x: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Map [-1, 1] to the nearest grey levels 0..255, values outside to 0 and 255. `to_uint8(from_uint8(u))` is u.

    x : real numbers, any shape. Returns uint8 of the same shape. Raises ValueError for NaN or infinity.

    >>> to_uint8([-1.0, 0.0, 1.0])
    array([  0, 128, 255], dtype=uint8)
    """
    values: Array = real_array(x, "x", dtype=np.float64, empty=True)
    return np.rint((np.clip(values, -1, 1) + 1) * 127.5).astype(np.uint8)
