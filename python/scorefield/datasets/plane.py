"""Made data in the plane. Each set is an endless fixed row of points: row i depends on (seed, i) only, so n = 100 are
the first of n = 200.

Every set is shifted and divided by the mean and deviation of its distribution, known in closed form, so that all sets
of one kind share one scale: columns of mean 0 and deviation 1 up to the chance of the draw. Row i belongs to class i
mod K. `noise` is the deviation of normal noise in the units of the formula, before that scaling.
"""

import math

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, integer, number, seed_number
from scorefield.datasets._draw import Float64, normal, uniform

Labels = npt.NDArray[np.int64]
Points = tuple[Array, Labels]


def moons(n: int, *, noise: float = 0.05, seed: int | None = 0) -> Points:
    """Two half circles that reach into each other.

    n : rows, >= 1.   noise : >= 0; the circles have radius 1.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..1: the moon.

    >>> x, labels = moons(1000)
    """
    labels, u, z = _draws(n, 2, noise, seed)
    angle = np.pi * u[:, 0]
    upper = labels == 0
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    # cos and sin of a uniform angle in (0, pi): means 0 and 2/pi, mean squares 1/2.
    variance = (0.75, 0.5625 - 1 / np.pi)
    return _scaled(np.stack([x, y], 1) + noise * z, labels, (0.5, 0.25), np.add(variance, noise**2))


def swiss_roll(n: int, *, noise: float = 0.05, seed: int | None = 0) -> Points:
    """A spiral of one and a half turns, r = phi / 10 for phi in 1.5 pi..4.5 pi, uniform in phi.

    n : rows, >= 1.   noise : >= 0; the turns are 0.63 apart.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..3: the quarter of phi, from
    the centre.

    >>> x, labels = swiss_roll(1000)
    """
    labels, u, z = _draws(n, 4, noise, seed)
    low, high = 1.5 * np.pi, 4.5 * np.pi
    phi = low + (high - low) * (labels + u[:, 0]) / 4
    points = 0.1 * phi[:, None] * np.stack([np.cos(phi), np.sin(phi)], 1)
    mean, square = (_integrals(high)[k] - _integrals(low)[k] for k in (0, 1))
    mean, square = 0.1 * mean / (high - low), 0.01 * square / (high - low)
    return _scaled(points + noise * z, labels, mean, square - mean**2 + noise**2)


def checkerboard(n: int, *, noise: float = 0.0, seed: int | None = 0) -> Points:
    """The eight dark squares of a 4 x 4 board of side 4, filled evenly.

    n : rows, >= 1.   noise : >= 0; a square has side 1.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..7: the square, row by row
    from below.

    >>> x, labels = checkerboard(1000)
    """
    labels, u, z = _draws(n, 8, noise, seed)
    row = labels // 2
    column = 2 * (labels % 2) + row % 2
    points = np.stack([column, row], 1) - 2 + u
    return _scaled(points + noise * z, labels, 0.0, 16 / 12 + noise**2)  # each column is uniform on [-2, 2]


def rings(n: int, *, noise: float = 0.02, seed: int | None = 0) -> Points:
    """Three circles around one centre, of radius 1/3, 2/3 and 1.

    n : rows, >= 1.   noise : >= 0.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..2: the circle, from the
    centre.

    >>> x, labels = rings(1000)
    """
    labels, u, z = _draws(n, 3, noise, seed)
    points = ((labels + 1) / 3)[:, None] * _circle(2 * np.pi * u[:, 0])
    return _scaled(points + noise * z, labels, 0.0, 7 / 27 + noise**2)  # half the mean of r^2 = (1 + 4 + 9) / 27


def pinwheel(n: int, *, noise: float = 0.1, seed: int | None = 0) -> Points:
    """Five arms bent in one direction: (1 + 0.3 a, noise b) with normal a, b, turned by 2 pi k / 5 + exp(1 + 0.3 a) /
    4.

    n : rows, >= 1.   noise : width of the arms, >= 0.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..4: the arm.

    >>> x, labels = pinwheel(1000)
    """
    labels, _, z = _draws(n, 5, noise, seed)
    radial, across = 1 + 0.3 * z[:, 0], noise * z[:, 1]
    angle = 2 * np.pi * labels / 5 + np.exp(radial) / 4
    points = radial[:, None] * _circle(angle) + across[:, None] * _circle(angle + np.pi / 2)
    return _scaled(points, labels, 0.0, (1 + 0.3**2 + noise**2) / 2)  # turning five arms makes the covariance round


def gaussians(n: int, *, noise: float = 0.1, seed: int | None = 0) -> Points:
    """Eight normal clouds on a circle of radius 1.

    n : rows, >= 1.   noise : deviation of a cloud, >= 0.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 2) float32 of mean 0 and deviation 1 per column, labels (n,) int64 in 0..7: the cloud, from the
    right, anticlockwise.

    >>> x, labels = gaussians(1000)
    """
    labels, _, z = _draws(n, 8, noise, seed)
    return _scaled(_circle(np.pi * labels / 4) + noise * z, labels, 0.0, 0.5 + noise**2)


def _draws(n: int, classes: int, noise: float, seed: int | None) -> tuple[Labels, Float64, Float64]:
    """Give labels i mod K (n,), uniform numbers (n, 2) and normal numbers (n, 2), after checking what came."""
    n = integer(n, "n", 1)
    number(noise, "noise", 0.0)
    seed = seed_number(seed)
    return np.arange(n, dtype=np.int64) % classes, uniform(n, 2, seed=seed, step=0), normal(n, 2, seed=seed, step=1)


def _circle(angle: Float64) -> Float64:
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def _scaled(points: Float64, labels: Labels, mean: npt.ArrayLike, variance: npt.ArrayLike) -> Points:
    return ((points - np.asarray(mean)) / np.sqrt(variance)).astype(np.float32), labels


def _integrals(t: float) -> tuple[Float64, Float64]:
    """Antiderivatives of (t cos t, t sin t) and of their squares."""
    c, s = math.cos(t), math.sin(t)
    wave = t * t * s * c / 2 + t * (c * c - s * s) / 4 - s * c / 4
    return np.array([c + t * s, s - t * c]), np.array([t**3 / 6 + wave, t**3 / 6 - wave])
