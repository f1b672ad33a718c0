"""Made time series."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, integer, seed_number
from scorefield.datasets._draw import Float64, normal, uniform

RHO, LEVEL = 0.8, 0.2  # of the noise: correlation of neighbours, deviation
KINDS = 3


def sines(n: int, length: int = 64, channels: int = 1, *, seed: int | None = 0) -> tuple[Array, npt.NDArray[np.int64]]:
    """Sine waves of random phase and period in correlated noise.

    x[t, c] = sin(2 pi (t / period + phase_c)) + 0.2 e[t, c],   e[t] = 0.8 e[t - 1] + 0.6 z[t] (stationary, deviation
    1). The period, one for all channels of a row, is length 2^-w with w uniform in (1, 4): from half of the length
    down to a sixteenth.

    n : rows, >= 1.   length : >= 2.   channels : >= 1.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, length, channels) float32, of deviation near 0.73; labels (n,) int64 in 0..2: slow, medium, fast
    (thirds of w). Row i depends on (seed, i) and the shape only, and belongs to class i mod 3.

    >>> x, labels = sines(100, length=64, channels=2)
    >>> x.shape
    (100, 64, 2)
    """
    n, length, channels = integer(n, "n", 1), integer(length, "length", 2), integer(channels, "channels", 1)
    seed = seed_number(seed)
    labels = np.arange(n, dtype=np.int64) % KINDS
    u = uniform(n, 1 + channels, seed=seed, step=0)
    period = length * 2.0 ** -(1 + labels[:, None, None] + u[:, :1, None])  # (n, 1, 1)
    turns = np.arange(length)[:, None] / period + u[:, None, 1:]  # (n, L, C)
    z = normal(n, length * channels, seed=seed, step=1).reshape(n, length, channels)
    return (np.sin(2 * np.pi * turns) + LEVEL * _autoregressive(z)).astype(np.float32), labels


def _autoregressive(z: Float64) -> Float64:
    """e[0] = z[0], e[t] = rho e[t-1] + sqrt(1 - rho^2) z[t], as e[t] = sum_j rho^j w[t-j], doubling the terms per
    pass.
    """
    e: Float64 = z * np.sqrt(1 - RHO**2)
    e[:, 0] = z[:, 0]
    reach = 1
    while reach < e.shape[1]:
        e[:, reach:] += RHO**reach * e[:, :-reach].copy()
        reach *= 2
    return e
