"""What every sampler is: a formula for the step from x_t to x_s, and what that step may read."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, integer, real_array
from scorefield.grids import Grid, Times, resolve_times

if TYPE_CHECKING:
    from scorefield.schedules import Level, Schedule

__all__ = ["CoreSampler", "Sampler", "Step", "set_fields"]


class Step:
    """What one step may read; valid while `Sampler.step` runs.

    x : (n, *shape) float64, the state at t.   t, s : the levels (t, alpha, sigma, log_snr) from which and to which.
    schedule : the schedule.   steps_left : steps after this one, 0 on the last.
    Where alpha is as good as 0 (below 1e-12 sigma), t.alpha is 0.
    """

    def __init__(self, core: Any, schedule: Schedule, shape: tuple[int, ...]) -> None:
        self._core = core
        self._x0: Array | None = None
        self._shape = (len(core.x), *shape)
        self.x: Array = core.x.reshape(self._shape)
        self.schedule = schedule
        self.t: Level = _level(schedule, core.t)
        self.s: Level = _level(schedule, core.s)
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

    @property
    def past_eps(self) -> list[Array]:
        """The same answers as noise, eps_hat (n, *shape): what linear multistep methods combine."""
        return [eps.reshape(self._shape) for eps in self._core.past_eps]

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


def _level(schedule: Schedule, t: float) -> Level:
    level = schedule.at(t)
    return replace(level, alpha=0.0) if level.alpha < _core.grids.least_signal * level.sigma else level


def _time(t: float | Level) -> float:
    return t if isinstance(t, float | int) else float(np.asarray(getattr(t, "t", t)))


class Sampler:
    """Base of samplers, and of your own: give `step`, and say what is true of it.

    order : of the error in the step size.   calls : denoiser calls per step.   stochastic : whether it draws noise.
    history : how many earlier answers `step` finds in ``k.past``.   extra_calls : those that a run's start takes beyond
    `calls` per step.

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
    def extra_calls(self) -> int:
        """Denoiser calls of a run's first steps beyond that, an int."""
        return 0

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise, a bool."""
        return False

    @property
    def history(self) -> int:
        """Number of earlier answers that a step may read, an int."""
        return 0

    @property
    def _adaptive(self) -> bool:
        """Whether a step of the grid is solved by as many steps of the sampler's own as it needs."""
        return False

    def step(self, k: Step) -> ArrayLike:
        """Make one step: returns x_s, shape (n, *shape), from what `k` offers. Yours to define."""
        raise NotImplementedError(f"{type(self).__name__} must define step(self, k) -> x_s")

    def _bind(self, schedule: Schedule, shape: tuple[int, ...]) -> Any:
        """The core's sampler for runs with this schedule and shape of a sample."""

        def step(core: Any) -> Array:
            k, name = Step(core, schedule, shape), f"{type(self).__name__}.step"
            answer = self.step(k)
            if answer is None:
                raise TypeError(f"{name} returned None; is a return missing?")
            x_s = real_array(answer, f"x_s from {name}", shape=k._shape, dtype=np.float64, finite=False)
            return x_s.reshape(len(x_s), -1)

        return _core.PythonSampler(step, self.order, self.stochastic, self.history)

    @property
    def _claim(self) -> int:
        """The order that the error is to show: `order`, unless that is a setting which promises less."""
        return self.order

    def _default_steps(self, schedule: Schedule) -> int:
        return 50

    def _times(self, schedule: Schedule, steps: int | None, grid: Grid | str | ArrayLike | None) -> Times:
        """The times of a run, (S + 1,). Without `steps` what suits the sampler, but no more than the T there are; of a
        ladder of sigmas every rung."""
        usual = self._default_steps(schedule)
        if schedule.T is not None and not self._adaptive:
            usual = schedule.T if schedule._core.exploding else min(usual, schedule.T)
        return self._route(schedule, resolve_times(grid, schedule, steps, usual))

    def _route(self, schedule: Schedule, times: Times) -> Times:
        """The times that a run passes on the way down a grid; a rising pair is a draw from q(x_s | x_t)."""
        return times

    def _spread(self, schedule: Schedule, times: Times) -> float:
        """The deviation of x_T where the caller gives none."""
        return float(schedule.sigma(times[0]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class CoreSampler(Sampler):
    """A sampler whose formula is the core's: a frozen dataclass without repr, its first field the one always shown."""

    def _core(self) -> Any:
        raise NotImplementedError

    def _bind(self, schedule: Schedule, shape: tuple[int, ...]) -> Any:
        return self._core()

    def __repr__(self) -> str:
        own = fields(self)  # type: ignore[arg-type]  # a dataclass, as every sampler of the core
        shown = [f for i, f in enumerate(own) if i == 0 or getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"

    @property
    def order(self) -> int:
        """Order of the error in the step size, an int."""
        return int(self._core().order)

    @property
    def _claim(self) -> int:
        return int(self._core().order)

    @property
    def calls(self) -> int:
        """Denoiser calls per step, an int."""
        return int(self._core().calls)

    @property
    def extra_calls(self) -> int:
        """Denoiser calls of a run's first steps beyond that, an int."""
        return int(self._core().extra_calls)

    @property
    def stochastic(self) -> bool:
        """Whether steps draw noise, a bool."""
        return bool(self._core().stochastic)

    @property
    def history(self) -> int:
        """Number of earlier answers that a step reads, an int."""
        return int(self._core().history)


def set_fields(frozen: object, **values: object) -> None:
    """Write checked values into a frozen dataclass, from its __post_init__."""
    for name, value in values.items():
        object.__setattr__(frozen, name, value)
