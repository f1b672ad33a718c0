"""Exact truth: Gaussian mixtures, whose density, score and denoiser have closed forms at every noise level."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, integer, real_array, seed_number
from scorefield._denoiser import BaseDenoiser
from scorefield.conditions import Condition, Conditions
from scorefield.sampling import run_dtype
from scorefield.schedules import Schedule, resolve_schedule

__all__ = ["ExactDenoiser", "GaussianMixture"]


class GaussianMixture:
    """A distribution that is known: x0 ~ sum_k w_k N(means[k], covariance k).

    means : (K, *shape).   Exactly one of
    stds : one number, (K,), or (K, *shape), >= 0; 0 everywhere is the empirical distribution of the means.
    covs : (K, D, D), symmetric and positive semi-definite, D numbers per sample.
    weights : (K,), >= 0, equal if not given; their sum is made 1.

    Noised by (1) it stays a mixture, so its `denoiser` is exact at every time: what samplers, guidance and
    likelihoods are tested against. Source: theory 12.

    >>> truth = GaussianMixture([[-2.0, 0.0], [2.0, 0.0]], stds=[0.3, 0.5], weights=[0.4, 0.6])
    >>> truth.sample(5, seed=1).shape
    (5, 2)
    """

    def __init__(
        self,
        means: ArrayLike,
        stds: ArrayLike | None = None,
        *,
        covs: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        self._means = real_array(means, "means", dtype=np.float64, copy=True)
        if self._means.ndim < 2:
            raise ValueError(f"means must have shape (K, *shape), got {self._means.shape}; one mean is means[None]")
        if (stds is None) == (covs is None):
            raise ValueError("give exactly one of stds and covs")
        K, D = self.components, int(np.prod(self.shape))
        self._stds = None if stds is None else _spread(real_array(stds, "stds", dtype=np.float64), self._means.shape)
        self._covs = None if covs is None else real_array(covs, "covs", shape=(K, D, D), dtype=np.float64, copy=True)
        if self._stds is not None and (self._stds < 0).any():
            raise ValueError(f"stds must be >= 0, got {self._stds.min():g}")
        given = np.ones(K) if weights is None else real_array(weights, "weights", shape=(K,), dtype=np.float64)
        self._weights = _shares(given)
        self._core = self._make()

    def _make(self) -> Any:
        means, weights = self._means.reshape(self.components, -1), self._weights.tolist()
        if self._covs is not None:
            return _core.Mixture.full(means, self._covs, weights)
        assert self._stds is not None
        return _core.Mixture(means, np.square(self._stds).reshape(means.shape), weights)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, a tuple."""
        return self._means.shape[1:]

    @property
    def components(self) -> int:
        """The number K of components, an int."""
        return len(self._means)

    @property
    def means(self) -> Array:
        """The means, (K, *shape) float64: a copy."""
        return self._means.copy()

    @property
    def stds(self) -> Array | None:
        """The deviations, (K, *shape) float64: a copy; None if made of covs."""
        return None if self._stds is None else self._stds.copy()

    @property
    def covs(self) -> Array | None:
        """The covariances, (K, D, D) float64: a copy; None if made of stds."""
        return None if self._covs is None else self._covs.copy()

    @property
    def weights(self) -> Array:
        """The weights, (K,) float64 with sum 1: a copy."""
        return self._weights.copy()

    def sample(self, n: int, *, seed: int | None = 0, start: int = 0) -> Array:
        """Draw n samples, (n, *shape) float32; row i depends on (seed, start + i) alone."""
        x: Array = self._core.sample(integer(n, "n", 1), seed_number(seed), integer(start, "start", 0, 2**62))
        return x.reshape(-1, *self.shape).astype(np.float32)

    def log_prob(self, x: ArrayLike) -> Array:
        """Give log p(x) in nats, (n,) in the dtype of x (n, *shape). ValueError if a component has no spread."""
        density: Array = self._core.log_density(self._rows(x))
        return density.astype(run_dtype(x))

    def component(self, x: ArrayLike) -> Array:
        """Give the most probable component of each sample, (n,) int64.   x : (n, *shape)."""
        most: Array = np.argmax(self._core.posterior(self._rows(x)), axis=1).astype(np.int64)
        return most

    def mode_weights(self, x: ArrayLike) -> Array:
        """Estimate the weights from samples (n, *shape) by the mean of P(component given x): (K,) float64, unbiased."""
        share: Array = self._core.posterior(self._rows(x)).mean(axis=0)
        return share

    def denoiser(self, schedule: Schedule | str) -> "ExactDenoiser":
        """Give the exact denoiser E[x0 | x_t] for a schedule (object or name), an `ExactDenoiser`."""
        return ExactDenoiser(self, resolve_schedule(schedule))

    def _rows(self, x: ArrayLike) -> Array:
        rows = real_array(x, "x", shape=("n", *self.shape), dtype=np.float64)
        return rows.reshape(len(rows), -1)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_core"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._core = self._make()

    def __repr__(self) -> str:
        return f"GaussianMixture({self.components} components, shape {self.shape})"


def _spread(stds: Array, shape: tuple[int, ...]) -> Array:
    """Deviations for every number of every mean: from one, one per component, or all."""
    if stds.shape not in ((), shape[:1], shape):
        raise ValueError(f"stds must be one number or have shape {shape[:1]} or {shape}, got {stds.shape}")
    spread: Array = np.broadcast_to(stds.reshape(stds.shape + (1,) * (len(shape) - stds.ndim)), shape).copy()
    return spread


def _shares(weights: Array) -> Array:
    if (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(f"weights must be >= 0 with a positive sum, got {weights}")
    shares: Array = weights / weights.sum()
    return shares


class ExactDenoiser(BaseDenoiser):
    """The exact denoiser of a `GaussianMixture`. Labels pick a component, None keeps the mixture.

    Its score is exact at sigma = 0 as well. Computes in float64; results have the dtype of x_t or x_T.
    Source: theory 12.

    >>> import scorefield as sf
    >>> exact = GaussianMixture([[1.0]], stds=0.5).denoiser(sf.schedules.VP())
    >>> exact.score([[2.0]], t=0.0)
    array([[-4.]], dtype=float32)
    """

    def __init__(self, mixture: GaussianMixture, schedule: Schedule) -> None:
        self._mixture, self._schedule = mixture, schedule

    @property
    def mixture(self) -> GaussianMixture:
        """The distribution of the data, a GaussianMixture."""
        return self._mixture

    @property
    def schedule(self) -> Schedule:
        """The noise schedule, a Schedule."""
        return self._schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, a tuple."""
        return self._mixture.shape

    @property
    def _conditions(self) -> Conditions:
        return Conditions(labels=True, classes=self._mixture.components)

    def _bind(self, condition: Condition) -> Any:
        return _core.ExactDenoiser(self._mixture._core, condition.labels, condition.start)

    def __repr__(self) -> str:
        return f"ExactDenoiser({self._mixture!r}, {self._schedule!r})"
