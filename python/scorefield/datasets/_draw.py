"""Random numbers of the made data sets: by counters, from the library's own generator, never from a global state."""

import numpy as np
import numpy.typing as npt

from scorefield import _core

Float64 = npt.NDArray[np.float64]


def uniform(n: int, k: int, *, seed: int, step: int = 0) -> Float64:
    """Uniform numbers in (0, 1), shape (n, k), float64. Row i depends on (seed, step, i) only; `step` numbers the
    purpose.
    """
    u: Float64 = _core.dataset_uniform([n, k], seed, step)
    return u


def normal(n: int, k: int, *, seed: int, step: int = 0) -> Float64:
    """Standard normal numbers, shape (n, k), float64. Row i depends on (seed, step, i) only; `step` numbers the
    purpose.
    """
    z: Float64 = _core.dataset_normal([n, k], seed, step)
    return z
