"""The laws that every sampler keeps, tested on data whose truth is known. Offered as `sf.testing.check_sampler`."""

import math

import numpy as np

from scorefield import _core
from scorefield._arrays import Array
from scorefield.grids import LogSNR
from scorefield.mixture import GaussianMixture
from scorefield.noise import normal
from scorefield.samplers import Sampler, resolve_sampler
from scorefield.schedules import VP

MEAN, STD = np.array([0.7, -0.4]), 0.4
SCHEDULE = VP()


def check_sampler(sampler: Sampler | str) -> None:
    """Test a sampler against what is true of all: returns None, or raises an AssertionError that names the law.

    * where the data are one point, a step to sigma = 0 ends in it, also as the only step;
    * the same seed gives the same bytes, and parts of a batch those of the whole;
    * `calls` is the number of denoiser calls per step (the last, to sigma = 0, may need fewer), with `extra_calls` more
      at the start of a run;
    * deterministic ones: the seed does not matter; a step of no length changes nothing; on N(mu, c^2), where the ODE's
      solution is x_s = alpha_s mu + sqrt(V_s / V_t) (x_t - alpha_t mu), the error falls at the stated order, less 0.3;
    * those that choose their own steps: on N(mu, c^2) one step of the grid is solved to 1e-3;
    * stochastic ones: another seed gives other samples, whose mean is that of the data.

    >>> check_sampler("ddim")
    """
    method = resolve_sampler(sampler)
    _check_words(method)
    _check_end(method)
    _check_repeats(method)
    if method._adaptive:
        _check_tolerance(method)
        return
    _check_calls(method)
    if method.stochastic:
        _check_mean(method)
    else:
        _check_no_length(method)
        _check_order(method)


def _law(holds: bool, sampler: Sampler, text: str) -> None:
    if not holds:
        raise AssertionError(f"{sampler!r}: {text}")


def _run(sampler: Sampler, truth: GaussianMixture, times: Array, x_T: Array, *, seed: int = 0, start: int = 0) -> Array:
    """The state at the end of a grid, rows in float64."""
    x, times = x_T.astype(np.float64), sampler._route(SCHEDULE, times)
    exact = truth.denoiser(SCHEDULE)._mixture._core
    run = _core.Sampling(
        sampler._bind(SCHEDULE, truth.shape), _core.ExactDenoiser(exact, None, 0), SCHEDULE._core, times, x, seed, start
    )
    run.advance(run.count)
    return x


def _gaussian() -> GaussianMixture:
    return GaussianMixture(MEAN[None], stds=STD)


def _start(n: int) -> Array:
    return normal((n, 2), seed=5, dtype=np.float64)


def _check_words(sampler: Sampler) -> None:
    for name in ("order", "calls"):
        value = getattr(sampler, name)
        _law(isinstance(value, int) and value >= 1, sampler, f"{name} must be an int >= 1, is {value!r}")
    _law(isinstance(sampler.stochastic, bool), sampler, f"stochastic must be a bool, is {sampler.stochastic!r}")


def _check_end(sampler: Sampler) -> None:
    point = GaussianMixture(MEAN[None], stds=0.0)
    for times in ([1.0, 0.0], [1.0, 0.5, 0.2, 0.0]):
        far = np.abs(_run(sampler, point, np.array(times), _start(8)) - MEAN).max()
        _law(far < 1e-9, sampler, f"a step to sigma = 0 must give alpha_s x0_hat; off by {far:.2g} with times {times}")


def _check_repeats(sampler: Sampler) -> None:
    times, x_T, truth = LogSNR()(SCHEDULE, 6), _start(20), _gaussian()
    once, again = (_run(sampler, truth, times, x_T, seed=3) for _ in range(2))
    _law(np.array_equal(once, again), sampler, "the same seed must give the same bytes; keep nothing of a run")
    parts = [_run(sampler, truth, times, x_T[a:b], seed=3, start=a) for a, b in ((0, 7), (7, 20))]
    _law(np.array_equal(once, np.concatenate(parts)), sampler, "parts of a batch must give the bytes of the whole")
    same = np.array_equal(once, _run(sampler, truth, times, x_T, seed=4))
    found = f"stochastic is {sampler.stochastic}, but another seed gives {'the same' if same else 'other'} samples"
    _law(same != sampler.stochastic, sampler, found)


def _check_calls(sampler: Sampler) -> None:
    asked = 0
    steps = 5

    def call(x: Array, t: Array, first: int) -> Array:
        nonlocal asked
        asked += 1
        return x * 0

    denoiser = _core.CallableDenoiser(call, 2, SCHEDULE._core, "x0", 1024)
    times = sampler._route(SCHEDULE, LogSNR(t_end=0.01)(SCHEDULE, steps))
    run = _core.Sampling(sampler._bind(SCHEDULE, (2,)), denoiser, SCHEDULE._core, times, _start(4), 0, 0)
    run.advance(run.count)
    steps = int((np.diff(times) < 0).sum())  # a rising pair asks nothing
    told = f"calls is {sampler.calls}" + (f" and extra_calls {sampler.extra_calls}" if sampler.extra_calls else "")
    stated = steps * sampler.calls + sampler.extra_calls
    _law(asked == stated, sampler, f"{told}, but {steps} steps asked {asked} times")


def _check_no_length(sampler: Sampler) -> None:
    x_T = _start(8)
    moved = np.abs(_run(sampler, _gaussian(), np.array([0.6, 0.6]), x_T) - x_T).max()
    _law(moved < 1e-9, sampler, f"a step of no length must be the identity; it moves by {moved:.2g}")


def _check_order(sampler: Sampler) -> None:
    coarse, fine = _error(sampler, 64), _error(sampler, 128)
    measured = math.inf if fine == 0 else math.log2(coarse / fine)
    # below 1e-11 rounding is measured, not the method
    _law(
        measured > sampler._claim - 0.3 or fine < 1e-11, sampler, f"order is {sampler._claim}, measured {measured:.2f}"
    )


def _check_tolerance(sampler: Sampler) -> None:
    error = _error(sampler, 1)
    _law(error < 1e-3, sampler, f"it chooses its own steps, but is off by {error:.2g} after one step of the grid")
    _check_no_length(sampler)


def _error(sampler: Sampler, steps: int) -> float:
    """Median distance to the solution of the ODE, which is linear for one Gaussian."""
    times, x_T = LogSNR(t_end=0.01)(SCHEDULE, steps), _start(64)
    t, s = SCHEDULE.at(times[0]), SCHEDULE.at(times[-1])
    ratio = np.sqrt((s.alpha**2 * STD**2 + s.sigma**2) / (t.alpha**2 * STD**2 + t.sigma**2))
    exact = s.alpha * MEAN + ratio * (x_T - t.alpha * MEAN)
    return float(np.median(np.linalg.norm(_run(sampler, _gaussian(), times, x_T) - exact, axis=1)))


def _check_mean(sampler: Sampler) -> None:
    n = 4000
    x = _run(sampler, _gaussian(), LogSNR()(SCHEDULE, 100), normal((n, 2), seed=6, dtype=np.float64))
    off = np.abs(x.mean(axis=0) - MEAN).max()
    tolerance = 5 * STD / np.sqrt(n) + 0.02  # 5 standard errors, and what 100 steps may leave
    _law(off < tolerance, sampler, f"the mean of N({MEAN}, {STD}^2) must come out; it is off by {off:.3f}")
