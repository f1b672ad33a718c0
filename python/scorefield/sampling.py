"""One call of `sample`: what is checked before the loop, and the loop as Python sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, number, real_array
from scorefield.noise import normal
from scorefield.thresholding import DynamicThreshold
from scorefield.trajectory import SampleEvent, Trajectory

if TYPE_CHECKING:
    from scorefield.samplers import Sampler
    from scorefield.schedules import Schedule

LARGEST_STATE = 1 << 25  # numbers of x that one run of the loop holds; longer batches go through it in parts
SECONDS_BETWEEN_STOPS = 0.05
Clip = float | tuple[float, float] | str | DynamicThreshold | None
Decode = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked call: everything that the loop needs.

    make : rows begin..end -> the core's denoiser for them.   times : (S + 1,).   x_T : (n, *shape) or None: drawn.
    """

    sampler: Sampler
    make: Callable[[int, int], Any]
    schedule: Schedule
    times: Array
    n: int
    shape: tuple[int, ...]
    x_T: Array | None  # noqa: N815 - the name of the field
    dtype: np.dtype[Any]
    decode: Decode
    seed: int
    start: int

    @property
    def steps(self) -> int:
        """Steps of the grid, an int."""
        return len(self.times) - 1

    def parts(self) -> Iterator[Plan]:
        """Split the batch so that none holds too much; yields Plans. Parts give the bytes of the whole."""
        rows = max(1, LARGEST_STATE // max(1, int(np.prod(self.shape))))
        for begin in range(0, self.n, rows):
            end = min(begin + rows, self.n)
            yield replace(
                self,
                make=partial(_moved, self.make, begin),
                n=end - begin,
                x_T=None if self.x_T is None else self.x_T[begin:end],
                start=self.start + begin,
            )


def _moved(make: Callable[[int, int], Any], by: int, begin: int, end: int) -> Any:
    return make(begin + by, end + by)


class Loop:
    """A run of the core's loop that stands between two steps."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._x = _first_state(plan)
        self._run = _core.Sampling(
            plan.sampler._bind(plan.schedule, plan.shape),
            plan.make(0, plan.n),
            plan.schedule._core,
            plan.times,
            self._x,
            plan.seed,
            plan.start,
        )

    @property
    def steps(self) -> int:
        """Steps of the whole run, an int."""
        return self._plan.steps

    def stops(self, every: int, *, each: bool = False) -> Iterator[int]:
        """Make the steps, GIL released; yields their number whenever it is a multiple of `every`,
        about twenty times a second so that a bar can move, and after every step if `each`.
        """
        while self._run.index < self.steps:
            due = every - self._run.index % every
            self._run.advance(1 if each else due, SECONDS_BETWEEN_STOPS)
            yield self._run.index

    @property
    def x(self) -> Array:
        """A copy of the state, (n, *shape)."""
        return self._shaped(self._x.astype(self._plan.dtype))

    @property
    def x0(self) -> Array | None:
        """The latest first answer in the units of the data, (n, *shape); None if nothing was asked."""
        x0 = self._run.x0
        return None if x0 is None else self._plan.decode(self._shaped(x0.astype(self._plan.dtype)))

    @property
    def event(self) -> SampleEvent:
        """What callers see after a step, a SampleEvent."""
        index, times = self._run.index - 1, self._plan.times
        return SampleEvent(index, float(times[index]), float(times[index + 1]), self.x, self.x0, self._run.accepted)

    def _shaped(self, rows: Array) -> Array:
        return rows.reshape(len(rows), *self._plan.shape)


def _first_state(plan: Plan) -> Array:
    """x_T as float64 rows of our own: given, or sigma(grid[0]) (Langevin: 1) times the numbers of `sf.normal`."""
    if plan.x_T is not None:
        return plan.x_T.reshape(plan.n, -1).astype(np.float64)
    z = normal((plan.n, int(np.prod(plan.shape))), seed=plan.seed, start=plan.start, dtype=np.float64)
    return plan.sampler._spread(plan.schedule, plan.times) * z


class Recorder:
    """Keeps states on their way, for a `Trajectory`."""

    def __init__(self, plan: Plan, x: Array) -> None:
        self._times, self._x, self._x0 = [float(plan.times[0])], [x], list[Array | None]()
        self._accepted, self._steps = [np.zeros(plan.n)], [0]

    def keep(self, event: SampleEvent) -> None:
        """Append a state."""
        self._times.append(event.s)
        self._x.append(event.x)
        self._x0.append(event.x0)
        if event.accepted is not None:
            self._accepted.append(event.accepted)
            self._steps.append(event.index + 1)

    def trajectory(self) -> Trajectory:
        """Give what was kept, as a Trajectory."""
        unknown = np.full_like(self._x[0], np.nan)
        known = any(x0 is not None for x0 in self._x0)
        x0 = np.stack([unknown if x0 is None else x0 for x0 in self._x0]) if known else None
        counts, steps = np.stack(self._accepted), np.array(self._steps)
        accepted = np.diff(counts, axis=0) / np.diff(steps)[:, None] if len(steps) > 1 else None
        return Trajectory(np.array(self._times), np.stack(self._x), x0, accepted)


def clipped(denoiser: Any, clip: Clip, encode: Callable[[Array], Array], shape: tuple[int, ...]) -> Any:
    """Give the core's denoiser with x0_hat clipped: at c, (lo, hi), "dynamic" or a threshold, in the data's units."""
    if clip is None:
        return denoiser
    ones = np.ones(shape)
    zero, one = encode(0 * ones).ravel(), encode(ones).ravel()
    if isinstance(clip, str):
        if clip != "dynamic":
            raise ValueError(f'clip must be None, a number c > 0, (lo, hi) or "dynamic", got {clip!r}')
        clip = DynamicThreshold()
    if isinstance(clip, DynamicThreshold):
        return _core.DynamicThreshold(denoiser, -zero / (one - zero), 1 / (one - zero), clip.quantile, clip.largest)
    low, high = _bounds(clip)
    return _core.Clipped(denoiser, zero + low * (one - zero), zero + high * (one - zero))


def _bounds(clip: object) -> tuple[float, float]:
    if isinstance(clip, tuple | list):
        if len(clip) != 2:
            raise ValueError(f"clip must be (lo, hi), got {clip!r}")
        low, high = number(clip[0], "clip[0]"), number(clip[1], "clip[1]")
    else:
        high = number(clip, "clip", 0, open_low=True)
        low = -high
    if low >= high:
        raise ValueError(f"clip must be (lo, hi) with lo < hi, got ({low:g}, {high:g})")
    return low, high


def run_dtype(a: object) -> np.dtype[Any]:
    """Give float64 for float64 arrays, else float32: what callables compute in and results come out in."""
    given = getattr(a, "dtype", None)
    return np.dtype(np.float64 if given is not None and str(given).endswith("float64") else np.float32)


def checked_start(x_T: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    """Give x_T as a checked array (n, *shape) of its run's dtype, or None."""
    return None if x_T is None else real_array(x_T, "x_T", shape=("n", *shape), dtype=run_dtype(x_T), images=True)
