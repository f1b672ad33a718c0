"""Noise schedules. Discrete: Linear, ScaledLinear, Cosine, Sigmoid, Table, Geometric; continuous: VP, SubVP, VE,
RectifiedFlow, EDM; and Single.

A schedule is t -> (alpha_t, sigma_t) in float64, with x_t = alpha_t x0 + sigma_t eps. All are frozen, hashable,
comparable and picklable, and their `repr` is the constructor call.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import integer, number, real_array
from scorefield._names import resolve
from scorefield._schedule import HIGH_TERMINAL_SNR, Diagnosis, Level, NativeSchedule, Schedule
from scorefield.errors import ScheduleWarning

__all__ = [
    "EDM",
    "VE",
    "VP",
    "Cosine",
    "Diagnosis",
    "Geometric",
    "Level",
    "Linear",
    "RectifiedFlow",
    "ScaledLinear",
    "Schedule",
    "Sigmoid",
    "Single",
    "SubVP",
    "Table",
]

MOST_STEPS = 1_000_000  # of a discrete schedule


def _settle(schedule: Schedule, **fields: Any) -> None:
    """Put checked values into a frozen dataclass, once, while it is made."""
    for name, value in fields.items():
        object.__setattr__(schedule, name, value)


class Discrete(NativeSchedule):
    """Steps 1..T. Real times between them are allowed: log alpha_bar (VP) or sigma^2 (VE) is linear there."""

    @property
    def t_min(self) -> float:
        """The first step, 1.0."""
        return 1.0

    @property
    def t_max(self) -> float:
        """The last step, T, as a float."""
        assert self.T is not None
        return float(self.T)


class DiscreteVP(Discrete):
    """alpha_bar_t is the product of 1 - beta up to t (4), alpha = sqrt(alpha_bar), sigma = sqrt(1 - alpha_bar)."""

    def _warn(self) -> None:
        terminal = self.snr(self.t_max)
        if terminal > HIGH_TERMINAL_SNR:
            warnings.warn(
                f"{self} ends at snr = {terminal:.3g}, so its last x_t still shows the data, while sampling starts "
                "from pure noise; use more steps, larger betas or zero_terminal_snr()",
                ScheduleWarning,
                stacklevel=4,  # _warn, __post_init__, __init__, the line that made the schedule
            )

    def zero_terminal_snr(self) -> Schedule:
        """Give the schedule whose sqrt(alpha_bar) is shifted and scaled to end at 0 (Lin et al. 2023, algorithm 1).

        The first alpha_bar stays. Train v or x0 on it: eps says nothing where alpha = 0. Returns a `Table`, or this
        one if its alpha_T is 0 already.
        """
        if self.alpha(self.t_max) == 0:
            return self
        assert self.T is not None
        alpha_bars = np.asarray(self.alpha_bar(np.arange(1.0, self.T + 1)))
        return Table(alpha_bars=_core.schedules.zero_terminal_snr(alpha_bars.tolist()))


@dataclass(frozen=True)
class Linear(DiscreteVP):
    """beta rises in equal steps from beta_min to beta_max (Ho et al. 2020, section 4).

    T : steps, >= 1.   0 < beta_min <= beta_max < 1. The defaults belong to T = 1000: with fewer steps scale the betas
    by 1000/T, or a ScheduleWarning says that the data are not gone at T.

    >>> f"{Linear(1000).alpha_bar(1000):.3e}"
    '4.036e-05'
    """

    T: int = 1000
    beta_min: float = 1e-4
    beta_max: float = 0.02

    def __post_init__(self) -> None:
        _settle(self, T=_steps(self.T), **_floats(self, "beta_min", "beta_max"))
        self._warn()

    def _make(self) -> Any:
        return _core.schedules.linear(self.T, self.beta_min, self.beta_max)


@dataclass(frozen=True)
class ScaledLinear(DiscreteVP):
    """sqrt(beta) rises in equal steps from sqrt(beta_min) to sqrt(beta_max) (Rombach et al. 2022, Stable Diffusion).

    T : steps, >= 1.   0 < beta_min <= beta_max < 1.

    >>> f"{ScaledLinear(1000).alpha_bar(1000):.3e}"
    '4.660e-03'
    """

    T: int = 1000
    beta_min: float = 8.5e-4
    beta_max: float = 0.012

    def __post_init__(self) -> None:
        _settle(self, T=_steps(self.T), **_floats(self, "beta_min", "beta_max"))
        self._warn()

    def _make(self) -> Any:
        return _core.schedules.scaled_linear(self.T, self.beta_min, self.beta_max)


@dataclass(frozen=True)
class Cosine(DiscreteVP):
    """alpha_bar(t) = cos^2(((t/T + s)/(1 + s)) pi/2), the same at 0 divided out (Nichol & Dhariwal 2021, eq. 17).

    T : steps, >= 1.   s >= 0 keeps the first betas from being tiny.   beta_clip in (0, 1): the largest beta. At its
    end 1/alpha is 20 000: predict v or x0.

    >>> f"{Cosine(1000).alpha_bar(1000):.3e}"
    '2.429e-09'
    """

    T: int = 1000
    s: float = 0.008
    beta_clip: float = 0.999

    def __post_init__(self) -> None:
        _settle(self, T=_steps(self.T), **_floats(self, "s", "beta_clip"))
        self._warn()

    def _make(self) -> Any:
        return _core.schedules.cosine(self.T, self.s, self.beta_clip)

    def _clipped_betas(self) -> int:
        return _count_clipped(self, self.beta_clip)


@dataclass(frozen=True)
class Sigmoid(DiscreteVP):
    """alpha_bar(t) falls like a sigmoid from `start` to `end` at temperature `tau` (Chen 2023), beta clipped at 0.999.

    T : steps, >= 1.   start < end.   tau > 0.

    >>> round(Sigmoid(1000).time_of(log_snr=0.0))
    500
    """

    T: int = 1000
    start: float = -3.0
    end: float = 3.0
    tau: float = 1.0

    def __post_init__(self) -> None:
        _settle(self, T=_steps(self.T), **_floats(self, "start", "end", "tau"))
        self._warn()

    def _make(self) -> Any:
        return _core.schedules.sigmoid(self.T, self.start, self.end, self.tau)

    def _clipped_betas(self) -> int:
        return _count_clipped(self, 0.999)


@dataclass(frozen=True, kw_only=True, repr=False)
class Table(DiscreteVP):
    """A discrete schedule of your own numbers for t = 1..T; exactly one of the three is given.

    betas : (T,) in (0, 1), VP by (4).   alpha_bars : (T,) falling within (0, 1), the last may be 0.
    sigmas : (T,) rising, > 0: VE, x_t = x0 + sigma_t eps. They are kept as tuples.

    >>> round(Table(betas=[0.1, 0.5, 0.99]).alpha_bar(2), 12)
    0.45
    """

    betas: npt.ArrayLike | None = None
    alpha_bars: npt.ArrayLike | None = None
    sigmas: npt.ArrayLike | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("betas", "alpha_bars", "sigmas") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"Table needs exactly one of betas, alpha_bars, sigmas, got {' and '.join(given) or 'none'}"
            )
        (name,) = given
        numbers = real_array(getattr(self, name), name, shape=("T",), dtype=np.float64)
        _settle(self, **{name: tuple(numbers.tolist())})
        self._core  # noqa: B018 - checks the numbers
        if self.sigmas is None:
            self._warn()

    @property
    def T(self) -> int:  # noqa: N802
        """The number of steps."""
        return len(self._numbers[1])

    @property
    def _numbers(self) -> tuple[str, tuple[float, ...]]:
        return next(
            (name, value) for name in ("betas", "alpha_bars", "sigmas") if (value := getattr(self, name)) is not None
        )

    def _make(self) -> Any:
        name, numbers = self._numbers
        return getattr(_core.schedules, name)(list(numbers))

    def zero_terminal_snr(self) -> Schedule:
        """Give the `Table` that ends at alpha = 0 (Lin et al. 2023, algorithm 1); ValueError for sigmas."""
        return super().zero_terminal_snr() if self.sigmas is None else Schedule.zero_terminal_snr(self)

    def __repr__(self) -> str:
        name, numbers = self._numbers
        return f"Table({name}={list(numbers)})"

    def __str__(self) -> str:
        name, numbers = self._numbers
        if len(numbers) <= 6:
            return repr(self)
        return f"Table({name}=[{numbers[0]:g}, {numbers[1]:g}, ..., {numbers[-1]:g}]), T={self.T}"


@dataclass(frozen=True)
class Geometric(Discrete):
    """A ladder of T noise levels with equal ratios, sigma_1 = sigma_min to sigma_T = sigma_max (Song & Ermon 2019).

    T >= 2.   0 < sigma_min < sigma_max. alpha is 1.

    >>> round(Geometric(3, 0.01, 1.0).sigma(2), 12)
    0.1
    """

    T: int = field()  # no default, in spite of the base's T = None
    sigma_min: float
    sigma_max: float

    def __post_init__(self) -> None:
        _settle(self, T=integer(self.T, "T", 2, MOST_STEPS), **_floats(self, "sigma_min", "sigma_max"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.geometric(self.T, self.sigma_min, self.sigma_max)


class Unit(NativeSchedule):
    """Continuous time from 0 to 1, trained from t_min = 0.001."""

    @property
    def t_min(self) -> float:
        """0.001, below which no network is asked."""
        return float(self._core.t_min)

    @property
    def t_max(self) -> float:
        """1.0, where only noise is left."""
        return float(self._core.t_max)


@dataclass(frozen=True)
class VP(Unit):
    """Variance preserving SDE, beta(t) = beta_min + t (beta_max - beta_min) (Song et al. 2021, eq. 11).

    f = -beta/2, g^2 = beta, alpha = exp(-1/2 int beta), alpha^2 + sigma^2 = 1.   0 < beta_min <= beta_max.

    >>> round(VP().g2(0.5), 12)
    10.05
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        _settle(self, **_floats(self, "beta_min", "beta_max"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.vp(self.beta_min, self.beta_max)


@dataclass(frozen=True)
class SubVP(Unit):
    """Sub-VP SDE: the drift of `VP`, and sigma = 1 - alpha_bar, never more noise than VP (Song et al. 2021, eq. 12).

    0 < beta_min <= beta_max.

    >>> SubVP().alpha(0.5) == VP().alpha(0.5)
    True
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        _settle(self, **_floats(self, "beta_min", "beta_max"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.sub_vp(self.beta_min, self.beta_max)


@dataclass(frozen=True)
class VE(Unit):
    """Variance exploding SDE: sigma^2 = sigma_min^2 (r^(2t) - 1), r = sigma_max / sigma_min, alpha = 1.

    Song et al. 2021, eq. 9, have sigma_min r^t; here t = 0 is exactly the data. t_min is where sigma = sigma_min. The
    lecture's dx = e^t dw is VE(0.5**0.5, e * 0.5**0.5).   0 < sigma_min, sqrt(2) sigma_min < sigma_max.

    >>> round(VE(0.01, 50).sigma(1.0), 4)
    50.0
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        _settle(self, **_floats(self, "sigma_min", "sigma_max"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.ve(self.sigma_min, self.sigma_max)


@dataclass(frozen=True)
class RectifiedFlow(Unit):
    """Straight paths: alpha = 1 - t, sigma = t (Liu et al. 2023). At t = 1 alpha is 0: predict flow, v or x0.

    shift : > 0; t is replaced by shift t / (1 + (shift - 1) t), which spends more of the time at noise (Esser et al.
    2024).

    >>> RectifiedFlow().sigma(0.25)
    0.25
    """

    shift: float = 1.0

    def __post_init__(self) -> None:
        _settle(self, **_floats(self, "shift"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.rectified_flow(self.shift)


@dataclass(frozen=True)
class EDM(Unit):
    """t is sigma itself, alpha = 1 (Karras et al. 2022).

    Trained from t_min = sigma_min to t_max = sigma_max.   sigma_data : deviation of the data, > 0, for the
    preconditioning (14).

    >>> EDM().sigma(3.0)
    3.0
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        _settle(self, **_floats(self, "sigma_min", "sigma_max", "sigma_data"))
        self._core  # noqa: B018 - checks the numbers

    def _make(self) -> Any:
        return _core.schedules.edm(self.sigma_min, self.sigma_max, self.sigma_data)


@dataclass(frozen=True)
class Single(Unit):
    """One noise level at every t, x = x0 + sigma eps: score matching and energies of the data; sampled by Langevin
    only.

    sigma : >= 0; 0 is the data themselves.

    >>> Single(0.1).sigma([0.0, 0.5]).tolist()
    [0.1, 0.1]
    """

    _sigma: float = 0.0

    def __init__(self, sigma: float = 0.0) -> None:
        _settle(self, _sigma=number(sigma, "sigma", 0))

    def _make(self) -> Any:
        return _core.schedules.single(self._sigma)

    def __repr__(self) -> str:
        return f"Single(sigma={self._sigma})"


def _steps(T: object) -> int:
    return integer(T, "T", 1, MOST_STEPS)


def _floats(schedule: Schedule, *names: str) -> dict[str, float]:
    return {name: number(getattr(schedule, name), name) for name in names}


def _count_clipped(schedule: DiscreteVP, clip: float) -> int:
    """Betas at the clip; they come back from alpha_bar, hence the tolerance (16 digits of alpha_bar)."""
    return int(np.count_nonzero(schedule.beta(np.arange(1.0, schedule.t_max + 1)) >= clip * (1 - 1e-9)))


SCHEDULES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (Linear, ScaledLinear, Cosine, Sigmoid, Table, Geometric, VP, SubVP, VE, RectifiedFlow, EDM, Single)
}


def resolve_schedule(schedule: object) -> Schedule:
    """Give the Schedule that an object, or a name with default settings, stands for."""
    known: Any = Schedule  # an abstract class stands for its subclasses
    found: Schedule = resolve(schedule, "schedule", known, SCHEDULES)
    return found
