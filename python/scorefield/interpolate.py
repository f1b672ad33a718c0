"""Paths between noises that stay noise."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, real_array


def slerp(a: npt.ArrayLike, b: npt.ArrayLike, w: npt.ArrayLike) -> Array:
    """Walk from a to b: the direction along the great circle (Shoemake 1985), the length evenly.

    ((1 - w) |a| + w |b|) (sin((1 - w) o) u + sin(w o) v) / sin o,   u = a / |a|, v = b / |b|, o the angle between them.

    Normal noise in many dimensions lies near a sphere, and so does every point of this path; a straight line cuts
    through its inside, where a model never was.

    a, b : two points of one shape, taken as vectors (a picture, a noise x_T).   w : share of b, any shape, 0 gives a,
    1 gives b.
    Returns shape w.shape + a.shape in a's dtype (float32 or float64).
    Raises ValueError if a or b is 0, or if they are opposite, so that no shortest path exists.

    >>> slerp([1.0, 0.0], [0.0, 1.0], 0.5).round(3)
    array([0.707, 0.707], dtype=float32)
    """
    dtype = np.float64 if np.asarray(a).dtype == np.float64 and isinstance(a, np.ndarray) else np.float32
    start = real_array(a, "a", dtype=np.float64)
    end = real_array(b, "b", dtype=np.float64, shape=start.shape)
    share = real_array(w, "w", dtype=np.float64)[(..., *[None] * start.ndim)]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if 0 in lengths:
        raise ValueError("a and b must not be 0: a zero vector has no direction")
    u, v = start / lengths[0], end / lengths[1]
    angle = _angle(u, v)
    if np.pi - angle < 1e-6:
        raise ValueError(
            "a and b are opposite, so no shortest path leads from one to the other; change one of them a little"
        )
    if angle < 1e-6:  # the limit o -> 0 is the straight line
        direction = (1 - share) * u + share * v
    else:
        direction = (np.sin((1 - share) * angle) * u + np.sin(share * angle) * v) / np.sin(angle)
    path = ((1 - share) * lengths[0] + share * lengths[1]) * direction
    return np.asarray(path, dtype)


def _angle(u: Array, v: Array) -> float:
    """2 atan2(|u - v|, |u + v|) of unit vectors: accurate for every angle, where arccos is not (Kahan)."""
    return float(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v)))
