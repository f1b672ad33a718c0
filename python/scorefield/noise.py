"""The library's normal numbers: no state, a pure function of (seed, sample, element)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import Array, integer, seed_number

FLAT_ROW = 4096  # numbers of a flat shape that share a counter's sample
PRIOR = 1  # Stream::prior of base/rng.hpp: what sampling starts from


def normal(
    shape: int | Sequence[int], *, seed: int | None = 0, start: int = 0, dtype: npt.DTypeLike = np.float32
) -> Array:
    """Draw standard normal numbers: those of which ``sample`` makes its start x_T.

    shape : (n, ...), the first axis counts samples.   start : global index of the first sample; row i depends on
    (seed, start + i) alone, so ``normal(100)`` is ``normal(60)`` followed by ``normal(40, start=60)``.
    A flat shape (n,) counts numbers: number start + i is element (start + i) mod 4096 of row (start + i) // 4096, drawn
    four at a time, and so not that of shape (n, 1).
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
    number, first = seed_number(seed), integer(start, "start", 0, 2**63 - 1)
    if len(dims) > 1:
        rows: Array = draw(dims, number, PRIOR, first, 0)
        return rows
    row, skipped = divmod(first, FLAT_ROW)
    count = -(-(skipped + dims[0]) // FLAT_ROW)
    z: Array = draw([count, FLAT_ROW], number, PRIOR, row, 0)
    return z.reshape(-1)[skipped : skipped + dims[0]]
