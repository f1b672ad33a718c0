"""Likelihoods of every denoiser: densities along the probability-flow ODE, bits per dimension, variational bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, choice, integer, number, real_array, seed_number
from scorefield.conditions import read_conditions
from scorefield.errors import NonFiniteError
from scorefield.grids import resolve_times

if TYPE_CHECKING:
    from scorefield._denoiser import BaseDenoiser
    from scorefield.conditions import Condition
    from scorefield.schedules import Schedule

__all__ = ["Bound", "Likelihood"]

MOST_EXACT = 16  # numbers per sample up to which the divergence is exact by default
STRATA = 256  # parts of log(1 + snr) in which the continuous bound draws one time each
LARGEST_GAP = 0.1  # snr of the last x_t above which N(0, sigma_T^2) is not its density
SMALLEST_SNR = 4.0  # of x at t_min, below which it is not the data


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound of -log p(x) for n samples, in nats, in the parts it is the sum of (theory 16); float64.

    prior : (n,) KL(q(x_T given x0) || N(0, sigma_T^2)).   terms : (n, S - 1), of the steps from the lowest to t_max;
    of the continuous bound (n, K) equal parts in log(1 + snr).   decoder : (n,) -log p(x0 given the lowest x_t).

    >>> Bound(np.ones(1), np.ones((1, 4)), np.ones(1), size=2).bits_per_dim.round(3)
    array([4.328])
    """

    prior: Array
    terms: Array
    decoder: Array
    size: int

    @property
    def total(self) -> Array:
        """The bound, (n,) nats."""
        total: Array = self.prior + self.terms.sum(axis=1) + self.decoder
        return total

    @property
    def bits_per_dim(self) -> Array:
        """The bound in bits per number of a sample, (n,): of grey levels if they were given, else of the density."""
        bits: Array = self.total / (self.size * np.log(2))
        return bits

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {getattr(self, name).mean():.4g}" for name in ("total", "prior", "decoder"))
        return f"Bound({len(self.prior)} samples, {self.terms.shape[1]} terms, means in nats: {parts})"


class Likelihood:
    """What a denoiser says about how probable data are. Part of every denoiser."""

    def log_prob(
        self,
        x: ArrayLike,
        t: ArrayLike = 0.0,
        *,
        labels: Any = None,
        condition: Any = None,
        text: Any = None,
        divergence: str = "auto",
        probes: int = 1,
        rtol: float = 1e-5,
        atol: float = 1e-5,
        seed: int | None = 0,
        start: int = 0,
    ) -> Array:
        """Give log p_t(x) by the probability-flow ODE, in nats per sample and in the units of the data.

        x : (n, *shape).   t : one time or (n,); the ODE runs from max(t, t_min) to t_max, where the density is
        N(0, sigma_T^2).   labels, condition, text : for all rows, or one entry each.
        divergence : "exact" (one product with the Jacobian for each number of a sample), "hutchinson" (`probes` random
        vectors of signs, unbiased), "gaussian" (the same with normal numbers), or "auto": exact up to 16 numbers.
        rtol, atol : of x and log p, in every step.   seed, start : of the probes; row i depends on (seed, start + i)
        alone, so that ``log_prob(x)`` is that of ``x[:60]`` followed by that of ``x[60:]`` with ``start=60``.

        Returns (n,). Each row has step sizes of its own, so its value is the same in every batch. Two errors remain
        even for an exact denoiser: p_t_min in place of the density of the data, and N(0, sigma_T^2) in place of p_T.
        A wrapped callable is differenced centrally, in float64 if it computes in it: two calls for each number.
        Raises ValueError where an end of the schedule is far from the data or from noise, NonFiniteError naming time
        and sample where the model answers NaN, RuntimeError where no step meets the tolerance.

        Sources: Chen et al. 2018, theorem 1; Grathwohl et al. 2019; Song et al. 2021, appendix D.2; theory (25).

        >>> import scorefield as sf
        >>> truth = sf.GaussianMixture([[0.0, 1.0]], stds=0.5)
        >>> exact = truth.denoiser(sf.schedules.VP()).log_prob([[0.2, 0.9]])
        >>> float(abs(exact - truth.log_prob([[0.2, 0.9]])).max()) < 0.01
        True
        """
        model = _model(self)
        rows = real_array(x, "x", shape=("n", *model.shape), dtype=np.float64, images=True)
        solver = _solver(model, divergence, probes, rtol, atol, seed)
        times = np.maximum(model.schedule._row_times(t, len(rows)), model.schedule.t_min)
        given = _given(model, labels, condition, text, len(rows), start, np.dtype(np.float64))
        density = _log_density(model, rows, times, given, solver)
        return _rounded(density, model._out(x))

    def bits_per_dim(
        self,
        x: ArrayLike,
        *,
        levels: int = 256,
        labels: Any = None,
        condition: Any = None,
        text: Any = None,
        divergence: str = "auto",
        probes: int = 1,
        rtol: float = 1e-5,
        atol: float = 1e-5,
        seed: int | None = 0,
        start: int = 0,
    ) -> Array:
        """Give -log2 p per number of a sample for data on `levels` equal grey levels from -1 to 1, as (n,).

        x : (n, *shape) on those levels. Each is spread uniformly over its interval of width 2 / (levels - 1), and
        log p of that is `log_prob`, with the same arguments: an upper bound of the model's code length in expectation.
        seed, start : of the spreading and of the probes; row i depends on (seed, start + i) alone.
        Means something only for a model trained on data spread like that: one trained on the grey levels themselves
        puts spikes there.

        Sources: Theis et al. 2016, section 3.1; Song et al. 2021, appendix F; theory (25).
        """
        model = _model(self)
        _, rows = _grey(model, x, integer(levels, "levels", 2))
        seed, first = seed_number(seed), _first(start)
        spread = _core.dequantise(rows.reshape(len(rows), -1), float(1 / (levels - 1)), seed, first)
        nats = self.log_prob(
            spread.reshape(rows.shape),
            labels=labels,
            condition=condition,
            text=text,
            divergence=divergence,
            probes=probes,
            rtol=rtol,
            atol=atol,
            seed=seed,
            start=first,
        )
        bits = -nats.astype(np.float64) / (model._size * np.log(2)) + np.log2((levels - 1) / 2)
        return _rounded(bits, model._out(x))

    def vlb(
        self,
        x: ArrayLike,
        *,
        levels: int | None = None,
        variance: str | None = None,
        steps: int | None = None,
        labels: Any = None,
        condition: Any = None,
        text: Any = None,
        seed: int | None = 0,
        start: int = 0,
    ) -> Bound:
        """Bound -log p(x) from above by the steps of the model (theory 16), in nats: the quantity that training bounds.

        x : (n, *shape).   levels : x lies on that many equal grey levels from -1 to 1, and p is a probability; None: a
        density.   variance : of the reverse steps, "beta", "beta_tilde" or "learned", as for `Ancestral`. None: what
        a model with learn_variance learnt, which is what `losses.Hybrid` trains; else "beta", the lowest of the two for
        a density. The limit of infinitely many steps has none to choose.
        steps : None: all T of a discrete schedule, or the limit of infinitely many where time is continuous; a number:
        as many steps of the grid that `Ancestral` takes.
        labels, condition, text : for all rows, or one entry each.   seed, start : of the noise, one draw for each term;
        row i depends on (seed, start + i) alone, as in `log_prob`.

        Returns a `Bound`: prior (n,), terms (n, S - 1), decoder (n,), total (n,), bits_per_dim (n,).
        NonFiniteError naming time and sample where the model answers NaN.

        Sources: Ho et al. 2020, eqs. 5, 13; Nichol and Dhariwal 2021, eq. 15; Kingma et al. 2021, eqs. 11, 17; theory
        (16).

        >>> import scorefield as sf
        >>> exact = sf.GaussianMixture([[0.0]], stds=1.0).denoiser(sf.schedules.Linear(1000))
        >>> exact.vlb([[0.5]], steps=10).terms.shape
        (1, 9)
        """
        model = _model(self)
        if model.schedule._core.single:
            raise ValueError(f"{model.schedule} has one noise level, so no steps lead from noise to data")
        kind = getattr(_core.ReverseVariance, _variance(model, variance))
        grey, rows = (None, _rows(model, x)) if levels is None else _grey(model, x, integer(levels, "levels", 2))
        given = _given(model, labels, condition, text, len(rows), start, model._out(x))
        z = np.ascontiguousarray(model._encode(rows).reshape(len(rows), -1))
        parts = _core.variational_bound(
            model._bind(given),
            model.schedule._core,
            z,
            _steps(model.schedule, steps),
            STRATA,
            kind,
            grey,
            seed_number(seed),
            given.start,
        )
        prior, terms, decoder = parts
        if grey is None:
            decoder = decoder + _log_units(model)
        return Bound(prior, terms, decoder, model._size)


@dataclass(frozen=True)
class _Solver:
    """Checked settings of a density."""

    divergence: str
    probes: int
    rtol: float
    atol: float
    seed: int


def _solver(model: BaseDenoiser, divergence: str, probes: int, rtol: float, atol: float, seed: int | None) -> _Solver:
    kind = choice(divergence, "divergence", ("auto", "exact", "hutchinson", "gaussian"))
    if kind == "auto":
        kind = "exact" if model._size <= MOST_EXACT else "hutchinson"
    check_tolerance(rtol, atol)
    return _Solver(
        "rademacher" if kind == "hutchinson" else kind,
        integer(probes, "probes", 1, 1 << 20),
        float(rtol),
        float(atol),
        seed_number(seed),
    )


def check_tolerance(rtol: float, atol: float) -> None:
    """Check the tolerances of a solver; returns None."""
    number(rtol, "rtol", 1e-13, 1, open_high=True)
    number(atol, "atol", 0, 1, open_low=True, open_high=True)


def _log_density(model: BaseDenoiser, rows: Array, times: Array, given: Condition, solver: _Solver) -> Array:
    schedule = model.schedule
    _check_ends(schedule, times)
    z = np.ascontiguousarray(model._encode(rows).reshape(len(rows), -1))
    end, change = transport(model, z, times, given, solver)
    density: Array = _core.log_prior(end, float(schedule.sigma(schedule.t_max))) + change - _log_units(model)
    return density


def transport(model: BaseDenoiser, z: Array, times: Array, given: Condition, solver: _Solver) -> tuple[Array, Array]:
    """Carry z (n, D) from `times` to t_max: returns its end (n, D) and log p(z) - log p_T(end), (n,)."""
    smooth = _smooth(model, z, times, given)
    t_max = float(model.schedule.t_max)
    end, change, _ = _core.transport(
        smooth,
        model.schedule._core,
        z,
        np.ascontiguousarray(times),
        t_max,
        solver.divergence,
        solver.probes,
        solver.seed,
        solver.rtol,
        solver.atol,
        _core.FlowForm.angle,
        given.start,
    )
    if not np.isfinite(change).all():
        row = int(np.argmin(np.isfinite(change)))
        raise NonFiniteError(f"log_prob is not finite, first in row {row}")
    return end, change


def _smooth(model: BaseDenoiser, z: Array, times: Array, given: Condition) -> Any:
    """The core's denoiser with derivatives; one without them is differenced, in float64 where it computes in it."""
    bound = model._bind(given)
    if isinstance(bound, _core.SmoothDenoiser):
        return bound
    if model._in_float64(z[:1], times[:1], given):
        return _core.Differenced(bound, 1e-5)
    return _core.Differenced(model._bind(replace(given, dtype=np.dtype(np.float32))), 1e-2)


def _check_ends(schedule: Schedule, times: Array) -> None:
    """Refuse schedules whose ends are not what a likelihood takes them for."""
    if schedule._core.single:
        raise ValueError(f"{schedule} has one noise level, so no ODE leads from the data to noise")
    last = float(schedule.snr(schedule.t_max))
    if last > LARGEST_GAP:
        raise ValueError(
            f"{schedule} ends at snr {last:.3g}, where x_T still shows the data and its density is not N(0, "
            f"sigma_T^2): a likelihood needs a schedule that ends in noise, with snr below {LARGEST_GAP}"
        )
    first = float(schedule.snr(schedule.t_min))
    if first < SMALLEST_SNR and times.min() <= schedule.t_min:
        raise ValueError(
            f"{schedule} begins at snr {first:.3g}, where x is not the data any more: a likelihood needs a schedule "
            f"that begins above snr {SMALLEST_SNR:g}; or ask for the density of x_t at some t > {schedule.t_min:g}"
        )


def _variance(model: BaseDenoiser, variance: str | None) -> str:
    """The variance of the reverse steps that a bound is for."""
    if variance is None:
        return "learned" if model._learns_variance else "beta"
    if variance == "learned" and not model._learns_variance:
        raise ValueError(
            'variance="learned" needs a model with learn_variance, trained by losses.Hybrid; use "beta" or "beta_tilde"'
        )
    return choice(variance, "variance", ("beta", "beta_tilde", "learned"))


def _steps(schedule: Schedule, steps: int | None) -> Array | None:
    """Rising times from 0; None: the continuous bound."""
    if steps is None and schedule.T is None:
        return None
    times = resolve_times(None, schedule, steps, schedule.T or 1)
    return np.ascontiguousarray(times[::-1])


def _first(start: int) -> int:
    return integer(start, "start", 0, 2**62)


def _given(
    model: BaseDenoiser, labels: Any, condition: Any, text: Any, n: int, start: int, dtype: np.dtype[Any]
) -> Condition:
    """The conditions of n rows, which are samples start, start + 1, ..."""
    given = read_conditions(model._conditions, labels, condition, text).spread(n, 0, dtype, cycle=False)
    return replace(given, start=_first(start))


def _rows(model: BaseDenoiser, x: ArrayLike) -> Array:
    return real_array(x, "x", shape=("n", *model.shape), dtype=np.float64, images=True)


def _grey(model: BaseDenoiser, x: ArrayLike, levels: int) -> tuple[Array, Array]:
    """Lowest and highest level and half an interval in the units of the process, (3, D), and the checked x."""
    rows = _rows(model, x)
    index = (rows + 1) * ((levels - 1) / 2)
    off = (np.abs(index - np.round(index)) > 0.01) | (np.abs(rows) > 1 + 1e-6)
    if off.any():
        raise ValueError(
            f"x must lie on {levels} equal grey levels from -1 to 1, got {rows[off][0]:.6g}; give the number of levels "
            "that the data have (from_uint8 gives 256), and data without noise"
        )
    low, high, width = (
        model._encode(np.full((1, *model.shape), value)).ravel() for value in (-1.0, 1.0, 1 / (levels - 1))
    )
    zero = model._encode(np.zeros((1, *model.shape))).ravel()
    return np.ascontiguousarray(np.stack([low, high, width - zero])), rows


def _log_units(model: BaseDenoiser) -> float:
    """Log of the volume of a unit cube of the process in the units of the data: what a density is divided by."""
    one, zero = (model._decode(np.full((1, *model.shape), value)) for value in (1.0, 0.0))
    return float(np.log(one - zero).sum())


def _rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values in another type; what is too small or too large for it becomes -inf or inf, as densities may be."""
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _model(likelihood: Likelihood) -> BaseDenoiser:
    return cast("BaseDenoiser", likelihood)
