"""How far two samples are from each other, and whether one copies the other. All sums in double, the same for any
thread count.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import Array, integer, number, real_array, seed_number
from scorefield.convergence import ConvergenceRow, ConvergenceTable, convergence

__all__ = [
    "ConvergenceRow",
    "ConvergenceTable",
    "Report",
    "convergence",
    "energy_distance",
    "frechet",
    "mmd",
    "nearest",
    "psnr",
    "report",
    "sliced_wasserstein",
]

Features = Callable[[Array], npt.ArrayLike]

COPY = 3.0  # a copy is this many times nearer than what it is compared with
MANIFOLD = 3  # neighbours that span the manifold of precision and recall (Kynkaanniemi et al. 2019)


def energy_distance(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Energy distance, the root of 2 E|A - B| - E|A - A'| - E|B - B'| (Szekely & Rizzo 2013, eq. 5).

    A metric on distributions that sees every difference. All pairs count, i = j too, so equal samples are at 0; of two
    samples of one distribution the square is about E|A - A'| (1/n + 1/m). On the line it is
    `scipy.stats.energy_distance`.

    a, b : samples (n, *shape), (m, *shape); also (n,), (m,).   Returns a float >= 0.
    Raises ValueError for different shapes, empty samples, NaN or infinity. Costs n m D operations and no memory to
    speak of.

    >>> round(energy_distance([[0.0], [2.0]], [[3.0]]) ** 2, 9)
    3.0
    """
    return float(_core.energy_distance(*_pair(a, b)))


def mmd(a: npt.ArrayLike, b: npt.ArrayLike, *, bandwidth: float | None = None) -> float:
    """Maximum mean discrepancy, the root of E k(A, A') + E k(B, B') - 2 E k(A, B) (Gretton et al. 2012, eq. 5).

    k is the mean of five Gaussian kernels exp(-r^2 / (2 (c h)^2)), c = 1/4, 1/2, 1, 2, 4, so that it sees detail and
    whole.

    a, b : samples (n, *shape), (m, *shape); also (n,), (m,).
    bandwidth : h > 0. None: h^2 is the sum of the variances of all columns of both samples together.
    Returns a float in [0, sqrt(2)], 0 for equal samples.

    >>> mmd([[0.0], [1.0]], [[0.0], [1.0]])
    0.0
    """
    h = 0.0 if bandwidth is None else number(bandwidth, "bandwidth", 0.0, open_low=True)
    return float(_core.mmd(*_pair(a, b), h))


def sliced_wasserstein(a: npt.ArrayLike, b: npt.ArrayLike, projections: int = 256, seed: int | None = 0) -> float:
    """Root of the mean, over random directions, of the squared 2-Wasserstein distance of the projections (Rabin et al.
    2012).

    Exact on each line, by quantile functions, for samples of any two sizes. In the units of the data; a shift by s
    gives |s| / sqrt(D) in the mean over directions.

    a, b : samples (n, *shape), (m, *shape); also (n,), (m,).   projections : directions, >= 1.
    seed : of the directions, in [0, 2^64); None for fresh entropy.   Returns a float >= 0, 0 for equal samples.

    >>> sliced_wasserstein([[0.0], [1.0]], [[3.0], [2.0]])
    2.0
    """
    projections = integer(projections, "projections", 1)
    return float(_core.sliced_wasserstein(*_pair(a, b), projections, seed_number(seed)))


def frechet(a: npt.ArrayLike, b: npt.ArrayLike, features: Features | None = None) -> float:
    """Squared Frechet distance of normal distributions with the means and covariances of the samples (Heusel et al.
    2017, eq. 6).

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), squared as is usual: with Inception features it is the FID. It
    sees nothing beyond mean and covariance, and is biased upwards where n is not many times the number of features.

    a, b : samples (n, *shape), (m, *shape) of at least two rows.
    features : function of an array like a that gives (n, F); None takes the numbers themselves.   Returns a float >= 0.

    >>> round(frechet([[-1.0], [1.0]], [[1.0], [7.0]]), 9)
    24.0
    """
    a, b = _pair(a, b, flat=features is None)
    if features is not None:
        a, b = (_features(features, x) for x in (a, b))
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least two rows, got {len(a)} and {len(b)}")
    return float(_core.frechet(*_pair(a, b)))


def psnr(a: npt.ArrayLike, b: npt.ArrayLike, *, peak: float = 2.0) -> Array:
    """Peak signal-to-noise ratio of each pair of rows: 10 log10(peak^2 / mean (a - b)^2), in decibels.

    a, b : (n, *shape), the same for both.   peak : the range of the data, 2 for [-1, 1].
    Returns (n,) float64; infinity where the rows are equal.

    >>> psnr([[0.0, 0.0]], [[0.2, 0.2]]).round(6)
    array([20.])
    """
    peak = number(peak, "peak", 0.0, open_low=True)
    a = real_array(a, "a", dtype=np.float64)
    b = real_array(b, "b", shape=a.shape, dtype=np.float64)
    if a.ndim < 2:
        raise ValueError(f"a and b must have shape (n, *shape), got {a.shape}; for one pair use a[None], b[None]")
    error = np.mean((a - b).reshape(len(a), -1) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(peak**2 / error))


def nearest(samples: npt.ArrayLike, x: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Array]:
    """Find the row of x nearest to every sample, by Euclidean distance; of equals the first.

    samples : (n, *shape).   x : (m, *shape).   Returns index (n,) int64 and distance (n,) float64.

    >>> nearest([[0.9], [5.0]], [[0.0], [1.0]])[0]
    array([1, 1])
    """
    index, distance = _core.nearest(*_pair(samples, x, ("samples", "x")), 1, False)
    return index[:, 0], distance[:, 0]


@dataclass(frozen=True)
class Report:
    """What `report` finds. Distances are between samples and test; see there for the rest."""

    energy_distance: float
    mmd: float
    sliced_wasserstein: float
    frechet: float
    precision: float
    recall: float
    nearest_ratio: float
    copies: float
    duplicates: float

    def __str__(self) -> str:
        return (
            f"energy {self.energy_distance:.4f}  mmd {self.mmd:.4f}  sliced W {self.sliced_wasserstein:.4f}  "
            f"Frechet {self.frechet:.4g}  precision {self.precision:.2f}  recall {self.recall:.2f}  "
            f"nearest ratio {self.nearest_ratio:.2f}  copies {self.copies:.1%}  duplicates {self.duplicates:.1%}"
        )


def report(samples: npt.ArrayLike, train: npt.ArrayLike, test: npt.ArrayLike, *, seed: int | None = 0) -> Report:
    """Say how good samples are and whether they are copies, with unseen real rows as the control.

    samples : (n, *shape), n >= 3.   train : the rows the model was fitted to, >= 2.   test : real rows it never saw,
    >= 4.
    seed : of the directions of the sliced Wasserstein distance.

    Returns a Report:
      energy_distance, mmd, sliced_wasserstein, frechet   samples against test, by the functions of these names
      precision   share of the samples in the manifold of test (nearer to a row than its third neighbour is)
      recall      share of the rows of test in the manifold of the samples (Kynkaanniemi et al. 2019)
      nearest_ratio   median distance of a sample to its nearest row of train, over the same for test: 1 as far as
      unseen data,
                  0 copies
      copies      share of the samples three times nearer to their nearest row of train than to the second nearest
      duplicates  share of the samples that have another sample within a third of the median distance from test to train

    >>> rng = np.random.default_rng(0)
    >>> report(*rng.normal(size=(3, 100, 2))).copies < 0.2
    True
    """
    _, test = _pair(samples, test, ("samples", "test"))
    samples, train = _pair(samples, train, ("samples", "train"))
    for name, rows, least in (("samples", samples, MANIFOLD + 1), ("train", train, 2), ("test", test, MANIFOLD + 1)):
        if len(rows) < least:
            raise ValueError(f"{name} must have at least {least} rows for a report, got {len(rows)}")
    _, to_train = _core.nearest(samples, train, 2, False)
    _, to_others = _core.nearest(samples, samples, 1, True)
    unseen = float(np.median(_core.nearest(test, train, 1, False)[1]))
    return Report(
        energy_distance=energy_distance(samples, test),
        mmd=mmd(samples, test),
        sliced_wasserstein=sliced_wasserstein(samples, test, seed=seed),
        frechet=frechet(samples, test),
        precision=_core.precision(samples, test, MANIFOLD),
        recall=_core.precision(test, samples, MANIFOLD),
        nearest_ratio=_ratio(float(np.median(to_train[:, 0])), unseen),
        copies=float(np.mean(COPY * to_train[:, 0] <= to_train[:, 1])),
        duplicates=float(np.mean(COPY * to_others[:, 0] <= unseen)),
    )


def _ratio(a: float, b: float) -> float:
    """Give a / b, 1 for 0 / 0 (test rows that are training rows themselves)."""
    if b > 0:
        return a / b
    return 1.0 if a == 0 else float("inf")


def _pair(
    a: npt.ArrayLike, b: npt.ArrayLike, names: tuple[str, str] = ("a", "b"), *, flat: bool = True
) -> tuple[Array, Array]:
    """Check two samples: float32, rows of one shape, as (n, D), (m, D); (n,) is (n, 1)."""
    x, y = (real_array(values, name, images=True) for values, name in zip((a, b), names, strict=True))
    if x.ndim == 0 or y.ndim == 0 or x.shape[1:] != y.shape[1:]:
        expected = f"{names[0]} and {names[1]} must be samples (n, *shape), (m, *shape) of one shape"
        raise ValueError(f"{expected}, got {x.shape} and {y.shape}")
    return (x.reshape(len(x), -1), y.reshape(len(y), -1)) if flat else (x, y)


def _features(features: Features, x: Array) -> Array:
    out = real_array(features(x), "features(x)")
    if out.ndim < 2 or len(out) != len(x):
        raise ValueError(f"features must map {x.shape} to ({len(x)}, F), one row for each row, got {out.shape}")
    return out
