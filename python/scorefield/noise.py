"""The library's normal numbers: no state, a pure function of (seed, sample, element)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import Array, integer, seed_number

PRIOR = 1  # Stream::prior of base/rng.hpp: what sampling starts from


def normal(
    shape: int | Sequence[int], *, seed: int | None = 0, start: int = 0, dtype: npt.DTypeLike = np.float32
) -> Array:
    """Draw standard normal numbers: those of which ``sample`` makes its start x_T.

    shape : (n, ...), the first axis counts samples.   start : global index of the first sample; row i depends on
    (seed, start + i) alone, so ``normal(100)`` is ``normal(60)`` followed by ``normal(40, start=60)``.
    dtype : float32, or float64 for the same numbers in a wider type.
    Returns an array of that shape. Philox4x32-10 (Salmon et al. 2011) and Box and Muller's map, in float32.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    lengths = [shape] if isinstance(shape, int | np.integer) else list(shape)
    if not lengths:
        raise ValueError("shape must have at least one axis, got (); the first one counts samples")
    dims = [integer(length, f"shape[{axis}]", 0) for axis, length in enumerate(lengths)]
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    draw = _core.normal32 if np.dtype(dtype) == np.float32 else _core.normal64
    z: Array = draw(dims, seed_number(seed), PRIOR, integer(start, "start", 0, 2**63 - 1), 0)
    return z
