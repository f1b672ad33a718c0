"""Samplers: one formula each for the step from x_t to x_s. The loop is the core's; a sampler keeps nothing of a run.

A sampler is asked for by object (``sf.samplers.DPMSolverPP(order=3)``) or by name (``"dpm_solver_pp"``).
One of your own extends `Sampler`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, choice, integer, number, real_array
from scorefield._names import resolve

if TYPE_CHECKING:
    from scorefield.schedules import Level, Schedule

__all__ = ["DDIM", "Ancestral", "DPMSolverPP", "Euler", "EulerAncestral", "Heun", "Renoise", "Sampler", "Step"]


class Step:
    """What one step may read; valid while `Sampler.step` runs.

    x : (n, *shape) float64, the state at t.   t, s : the levels (t, alpha, sigma, log_snr) from which and to which.
    schedule : the schedule.   steps_left : steps after this one, 0 on the last.
    """

    def __init__(self, core: Any, schedule: Schedule, shape: tuple[int, ...]) -> None:
        self._core = core
        self._x0: Array | None = None
        self._shape = (len(core.x), *shape)
        self.x: Array = core.x.reshape(self._shape)
        self.schedule = schedule
        self.t: Level = schedule.at(core.t)
        self.s: Level = schedule.at(core.s)
        self.steps_left: int = core.steps_left

    @property
    def x0(self) -> Array:
        """The denoiser's answer at (x, t), (n, *shape): asked at the first use, then kept."""
        if self._x0 is None:
            self._x0 = self.denoise(self._core.x.reshape(self._shape), self.t)
        return self._x0

    @property
    def past(self) -> list[tuple[Level, Array]]:
        """First answers (level, x0) of earlier steps, latest first; at most `Sampler.history` of them."""
        return [(self.schedule.at(t), x0.reshape(self._shape)) for t, x0 in self._core.past]

    def denoise(self, x: ArrayLike, t: float | Level) -> Array:
        """Ask for x0_hat at (x, t): one network call; returns (n, *shape)."""
        answer: Array = self._core.denoise(self._rows(x), _time(t))
        return answer.reshape(self._shape)

    def score(self, x: ArrayLike, t: float | Level) -> Array:
        """Ask for grad log p_t at (x, t); returns (n, *shape)."""
        answer: Array = self._core.score(self._rows(x), _time(t))
        return answer.reshape(self._shape)

    def noise(self, draw: int = 0) -> Array:
        """Draw standard normal numbers (n, *shape): the same for one step and draw; number further draws 1, 2, ..."""
        z: Array = self._core.noise(integer(draw, "draw", 0, 2**20))
        return z.reshape(self._shape)

    def _rows(self, x: ArrayLike) -> Array:
        return real_array(x, "x", shape=self._shape, dtype=np.float64, finite=False).reshape(len(self.x), -1)


def _time(t: float | Level) -> float:
    return t if isinstance(t, float | int) else float(np.asarray(getattr(t, "t", t)))


class Sampler:
    """Base of samplers, and of your own: give `step`, and say what is true of it.

    order : of the error in the step size.   calls : denoiser calls per step.   stochastic : whether it draws noise.
    history : how many earlier answers `step` finds in ``k.past``.

    >>> class Plain(Sampler):
    ...     def step(self, k):
    ...         return k.s.alpha * k.x0 + k.s.sigma * (k.x - k.t.alpha * k.x0) / k.t.sigma
    """

    @property
    def order(self) -> int:
        """Order of the error in the step size, an int."""
        return 1

    @property
    def calls(self) -> int:
        """Denoiser calls per step, an int."""
        return 1

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise, a bool."""
        return False

    @property
    def history(self) -> int:
        """Number of earlier answers that a step may read, an int."""
        return 0

    def step(self, k: Step) -> ArrayLike:
        """Make one step: returns x_s, shape (n, *shape), from what `k` offers. Yours to define."""
        raise NotImplementedError(f"{type(self).__name__} must define step(self, k) -> x_s")

    def _bind(self, schedule: Schedule, shape: tuple[int, ...]) -> Any:
        """The core's sampler for runs with this schedule and shape of a sample."""

        def step(core: Any) -> Array:
            k = Step(core, schedule, shape)
            x_s = real_array(
                self.step(k), f"x_s from {type(self).__name__}.step", shape=k._shape, dtype=np.float64, finite=False
            )
            return x_s.reshape(len(x_s), -1)

        return _core.PythonSampler(step, self.order, self.calls, self.stochastic, self.history)

    def _default_steps(self, schedule: Schedule) -> int:
        return 50

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class _CoreSampler(Sampler):
    """A sampler whose formula is the core's."""

    def _core(self) -> Any:
        raise NotImplementedError

    def _bind(self, schedule: Schedule, shape: tuple[int, ...]) -> Any:
        return self._core()

    @property
    def order(self) -> int:
        """Order of the error in the step size, an int."""
        return int(self._core().order)

    @property
    def calls(self) -> int:
        """Denoiser calls per step, an int."""
        return int(self._core().calls)

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise, a bool."""
        return bool(self._core().stochastic)

    @property
    def history(self) -> int:
        """Number of earlier answers that a step reads, an int."""
        return int(self._core().history)


def _set(frozen: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


@dataclass(frozen=True)
class Ancestral(_CoreSampler):
    """Ancestral sampling of DDPM, on any subsequence of steps; by default all T (1000 where time is continuous).

    variance : "beta_tilde", that of the posterior q(x_s | x_t, x0), or "beta", that of the forward step.

    Source: Ho, Jain and Abbeel 2020, algorithm 2; theory (6), (7).

    >>> Ancestral().stochastic
    True
    """

    variance: str = "beta_tilde"

    def __post_init__(self) -> None:
        if self.variance == "learned":
            raise ValueError('variance="learned" needs a model with learn_variance; use "beta_tilde" or "beta"')
        _set(self, variance=choice(self.variance, "variance", ("beta_tilde", "beta")))

    def _core(self) -> Any:
        return _core.Ancestral(getattr(_core.Variance, self.variance))

    def _default_steps(self, schedule: Schedule) -> int:
        return schedule.T or 1000


@dataclass(frozen=True)
class DDIM(_CoreSampler):
    """DDIM: deterministic at eta = 0, ancestral sampling at eta = 1.

    eta : in [0, 1], the share of fresh noise.

    Source: Song, Meng and Ermon 2021, eqs. 12, 16; theory 7.

    >>> DDIM().order, DDIM(eta=0.5).stochastic
    (1, True)
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        _set(self, eta=number(self.eta, "eta", 0, 1))

    def _core(self) -> Any:
        return _core.Ddim(self.eta)


@dataclass(frozen=True)
class DPMSolverPP(_CoreSampler):
    """DPM-Solver++, multistep: the default, good from about 15 steps on. The last step, to sigma = 0, returns x0_hat.

    order : 1 (which is DDIM), 2 or 3.

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2 and appendix B; theory 7.

    >>> DPMSolverPP(3).calls
    1
    """

    order: int = 2

    def __post_init__(self) -> None:
        _set(self, order=integer(self.order, "order", 1, 3))

    def _core(self) -> Any:
        return _core.DpmSolverPp(self.order)


@dataclass(frozen=True)
class Renoise(_CoreSampler):
    """Denoise to the end, then noise again to the next level with fresh noise. For few steps: many lose variance.

    Source: consistency sampling, Song et al. 2023, algorithm 1; theory 7.

    >>> Renoise().stochastic
    True
    """

    def _core(self) -> Any:
        return _core.Renoise()


@dataclass(frozen=True)
class Heun(_CoreSampler):
    """Heun's method of EDM, order 2 with two calls per step, and its churn: noise put back before each step.

    S_churn : >= 0, how much, over all steps.   S_tmin, S_tmax : only where sigma / alpha lies between.
    S_noise : > 0, deviation of the fresh noise; a little above 1 makes up for lost detail.

    Source: Karras et al. 2022, algorithm 2; theory 7.

    >>> Heun().stochastic, Heun(S_churn=20).stochastic
    (False, True)
    """

    S_churn: float = 0.0
    S_tmin: float = 0.0
    S_tmax: float = math.inf
    S_noise: float = 1.0

    def __post_init__(self) -> None:
        low = number(self.S_tmin, "S_tmin", 0)
        _set(
            self,
            S_churn=number(self.S_churn, "S_churn", 0),
            S_tmin=low,
            S_tmax=number(self.S_tmax, "S_tmax", low, finite=False),
            S_noise=number(self.S_noise, "S_noise", 0, open_low=True),
        )

    def _core(self) -> Any:
        return _core.Heun(self.S_churn, self.S_tmin, self.S_tmax, self.S_noise)


def Euler() -> DDIM:  # noqa: N802 - an alias reads like the class it stands for
    """Give Euler's method for the probability-flow ODE in sigma / alpha: a `DDIM` with eta = 0."""
    return DDIM(0.0)


def EulerAncestral() -> DDIM:  # noqa: N802
    """Give the ancestral variant of Euler's method: a `DDIM` with eta = 1, which is `Ancestral()`."""
    return DDIM(1.0)


SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "Ancestral": Ancestral,
    "DDIM": DDIM,
    "DPMSolverPP": DPMSolverPP,
    "Euler": Euler,
    "EulerAncestral": EulerAncestral,
    "Heun": Heun,
    "Renoise": Renoise,
}


def resolve_sampler(sampler: object) -> Sampler:
    """Give the Sampler that an object or a name stands for."""
    return resolve(sampler, "sampler", Sampler, SAMPLERS)
