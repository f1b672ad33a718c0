"""Time grids: at which times a sampler stops. A grid falls from t_max to t_end, by default 0, the data.

``grid(schedule, steps)`` gives (steps + 1,) float64. With i = 0..steps. An array of falling times is a grid too.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import integer, number, real_array
from scorefield._names import resolve, snake
from scorefield.schedules.base import Schedule

__all__ = [
    "Beta",
    "Explicit",
    "Exponential",
    "Grid",
    "Karras",
    "Leading",
    "Linspace",
    "LogSNR",
    "PolyExponential",
    "Quadratic",
    "Trailing",
]

Times = npt.NDArray[np.float64]


class Grid(ABC):
    """schedule, steps -> falling times. Frozen, hashable, comparable, picklable; `repr` is the constructor call."""

    def __call__(self, schedule: Schedule, steps: int) -> Times:
        """Give the times, (steps + 1,) float64, falling from t_max to t_end.

        steps : >= 1. ValueError if the schedule cannot carry the grid, with one that can.
        """
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
        return self._times(schedule._core, integer(steps, "steps", 1))

    @abstractmethod
    def _times(self, schedule: Any, steps: int) -> Times:
        """The same from the core's schedule and checked steps."""


class CoreGrid(Grid):
    """A grid that the core makes. Its settings are those of the core's function of that name, in the same order."""

    _function: ClassVar[str] = ""  # where it is not the class name in small letters
    _positive: ClassVar[tuple[str, ...]] = ()  # settings that must be > 0

    def __post_init__(self) -> None:
        for one in fields(cast(Any, self)):
            value = getattr(self, one.name)
            if isinstance(one.default, int):
                value = integer(value, one.name, 0)
            else:
                value = number(value, one.name, 0, open_low=one.name in self._positive)
            object.__setattr__(self, one.name, value)

    def _times(self, schedule: Any, steps: int) -> Times:
        make = getattr(_core.grids, self._function or snake(type(self).__name__))
        times: Times = make(schedule, steps, *(getattr(self, one.name) for one in fields(cast(Any, self))))
        return times


@dataclass(frozen=True)
class Trailing(CoreGrid):
    """round(T (1 - i/steps)): equal steps that begin at T, where the noise is (Lin et al. 2023). Continuous: not
    rounded.

    >>> from scorefield.schedules import Linear
    >>> Trailing()(Linear(1000), 4)
    array([1000.,  750.,  500.,  250.,    0.])
    """

    t_end: float = 0.0


@dataclass(frozen=True)
class Leading(CoreGrid):
    """1 + offset + (steps - 1 - i) floor(T/steps), then t_end: the habit of DDIM's code, which lacks T. Discrete.

    offset : >= 0, moves all but the last; 1 in Stable Diffusion's settings.

    >>> from scorefield.schedules import Linear
    >>> Leading()(Linear(1000), 4)
    array([751., 501., 251.,   1.,   0.])
    """

    offset: int = 0
    t_end: float = 0.0


@dataclass(frozen=True)
class Linspace(CoreGrid):
    """Equal steps from t_max to t_end. Discrete time: `steps` rounded times from T to 1, then 0.

    >>> from scorefield.schedules import VP
    >>> Linspace()(VP(), 4)
    array([1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    t_end: float = 0.0


@dataclass(frozen=True)
class Quadratic(CoreGrid):
    """Equal steps of sqrt(t), from t_max to t_min and then 0, or to t_end > 0 (Song, Meng & Ermon 2021, appendix D.2).

    >>> from scorefield.schedules import EDM
    >>> Quadratic(t_end=1.0)(EDM(sigma_max=9.0), 2)
    array([9., 4., 1.])
    """

    t_end: float = 0.0


@dataclass(frozen=True)
class LogSNR(CoreGrid):
    """Equal steps of log-SNR, from t_max to t_min and then 0, or to t_end > 0 (Lu et al. 2022, section 3.4).

    ValueError where alpha is 0 at t_max (RectifiedFlow, zero terminal SNR): log-SNR is infinite there.

    >>> from scorefield.schedules import EDM
    >>> LogSNR(t_end=1.0)(EDM(sigma_max=4.0), 2).round(12)
    array([4., 2., 1.])
    """

    t_end: float = 0.0


@dataclass(frozen=True)
class Exponential(CoreGrid):
    """Equal ratios of sigma / alpha: k-diffusion's name for equal steps of log-SNR; the same times as `LogSNR`.

    >>> from scorefield.schedules import EDM
    >>> Exponential(t_end=1.0)(EDM(sigma_max=4.0), 2).round(12)
    array([4., 2., 1.])
    """

    _function: ClassVar[str] = "log_snr"
    t_end: float = 0.0


@dataclass(frozen=True)
class Karras(CoreGrid):
    """Equal steps of (sigma / alpha)^(1/rho), t_max to t_min and then 0, or to t_end > 0 (Karras et al. 2022, eq. 5).

    rho : > 0; 1 is linear in sigma / alpha, larger values put more of the steps at little noise.
    ValueError where alpha is 0 at t_max (RectifiedFlow, zero terminal SNR).

    >>> from scorefield.schedules import EDM
    >>> Karras(rho=1, t_end=2.0)(EDM(sigma_max=4.0), 2).round(12)
    array([4., 3., 2.])
    """

    _positive: ClassVar[tuple[str, ...]] = ("rho",)
    rho: float = 7.0
    t_end: float = 0.0


@dataclass(frozen=True)
class PolyExponential(CoreGrid):
    """log(sigma / alpha) falls like (1 - i/n)^rho from t_max to t_min and then 0, or to t_end > 0.

    rho : > 0; 1 is `LogSNR`, larger values put more of the steps at little noise. Source: the polyexponential schedule
    of Crowson's k-diffusion (2022).   ValueError where alpha is 0 at t_max (RectifiedFlow, zero terminal SNR).

    >>> from scorefield.schedules import EDM
    >>> PolyExponential(rho=2, t_end=1.0)(EDM(sigma_max=16.0), 2).round(12)
    array([16.,  2.,  1.])
    """

    _positive: ClassVar[tuple[str, ...]] = ("rho",)
    rho: float = 1.0
    t_end: float = 0.0


@dataclass(frozen=True)
class Beta(CoreGrid):
    """Quantiles of Beta(alpha, beta) over the times, t_max to t_min and then 0, or to t_end > 0 (Lee et al. 2024).

    alpha, beta : in (0, 1000]; below 1 the steps crowd at both ends, where images change most. Beta(1, 1) takes equal
    steps. Times of discrete schedules are not rounded.

    >>> from scorefield.schedules import VP
    >>> Beta(0.5, 0.5, t_end=0.2)(VP(), 2)  # the arcsine law: sin^2(pi / 4) of the way
    array([1. , 0.6, 0.2])
    """

    _positive: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    alpha: float = 0.6
    beta: float = 0.6
    t_end: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _core.grids.beta_quantile(self.alpha, self.beta, 0.5)  # checks the shape


@dataclass(frozen=True)
class Explicit(Grid):
    """Times of your own, and if you wish what the network is told at them, while the noise levels stay theirs.

    times : (S + 1,) falling.   told : (t, time told) pairs, falling; linear between them. Published samplers round
    what they tell the network but not the levels that they step between; with `told` their numbers can be had.

    >>> from scorefield.schedules import Linear
    >>> Explicit((900.4, 300.2, 0.0), told=((900.4, 900.0), (300.2, 300.0)))(Linear(1000), 2)
    array([900.4, 300.2,   0. ])
    """

    times: npt.ArrayLike
    told: Any = ()

    def __post_init__(self) -> None:
        times = real_array(self.times, "times", shape=("S + 1",), dtype=np.float64)
        pairs = real_array(self.told, "told", dtype=np.float64, empty=True).reshape(-1, 2)
        if (np.diff(pairs[:, 0]) >= 0).any():
            raise ValueError("told must be pairs (t, time told) whose t fall")
        object.__setattr__(self, "times", tuple(times.tolist()))
        object.__setattr__(self, "told", tuple(map(tuple, pairs.tolist())))

    def _times(self, schedule: Any, steps: int) -> Times:
        times = np.array(self.times, np.float64)
        if steps != len(times) - 1:
            raise ValueError(f"grid holds the {len(times) - 1} steps already, so steps={steps} cannot be given as well")
        _core.grids.require_falling(schedule, times.tolist())
        return times

    def _tell(self, denoiser: Any) -> Any:
        """The core's denoiser, told what is to be told."""
        if not self.told:
            return denoiser
        times, told = zip(*self.told, strict=True)
        return _core.Retimed(denoiser, list(times), list(told))


GRIDS = {
    cls.__name__: cls
    for cls in (Trailing, Leading, Linspace, Quadratic, LogSNR, Karras, Exponential, PolyExponential, Beta)
}


def default_grid(schedule: Schedule) -> Grid:
    """Give the grid that suits a schedule: Trailing (discrete; of a ladder, every rung), Karras (EDM, VE), Linspace."""
    if schedule.T is not None:
        return Trailing()
    return Karras() if schedule._core.exploding else Linspace()


def resolve_times(
    grid: Grid | str | npt.ArrayLike | None, schedule: Schedule, steps: int | None, default: int
) -> Times:
    """Give the times (S + 1,) of a grid, of its name, or of an array of falling times.

    grid : None is `default_grid`.   steps : None is `default`; together with an array it is a ValueError.
    """
    if grid is None or isinstance(grid, Grid | str):
        known: Any = Grid  # an abstract class stands for its subclasses
        maker: Grid = default_grid(schedule) if grid is None else resolve(grid, "grid", known, GRIDS)
        if isinstance(maker, Explicit):
            default = len(np.asarray(maker.times)) - 1
        return maker(schedule, default if steps is None else steps)
    if steps is not None:
        raise ValueError(
            f"grid holds the times already, so steps={steps} cannot be given as well; leave out one of them"
        )
    times = real_array(grid, "grid", shape=("S + 1",), dtype=np.float64, copy=True)
    _core.grids.require_falling(schedule._core, times.tolist())
    return times
