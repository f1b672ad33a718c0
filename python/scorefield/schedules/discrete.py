"""Schedules of T steps: what they share, and those of your own numbers."""

import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import number, real_array
from scorefield.errors import ScheduleWarning
from scorefield.schedules.base import Schedule
from scorefield.schedules.diagnosis import HIGH_TERMINAL_SNR
from scorefield.schedules.native import NativeSchedule, settle

MOST_COMPARED = 4096  # samples, of which all pairs are compared


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
        if terminal > HIGH_TERMINAL_SNR and not self._core.exploding:
            warnings.warn(
                f"{self} ends at snr = {terminal:.3g}, so its last x_t still shows the data, while sampling starts "
                "from pure noise; use more steps, larger betas or zero_terminal_snr()",
                ScheduleWarning,
                stacklevel=5,  # _warn, _check, __post_init__, __init__, the line that made the schedule
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
        settle(self, **{name: tuple(numbers.tolist())})
        self._check()

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

    _least_steps: ClassVar[int] = 2
    T: int = field()  # no default, in spite of the base's T = None
    sigma_min: float
    sigma_max: float

    def _make(self) -> Any:
        return _core.schedules.geometric(self.T, self.sigma_min, self.sigma_max)

    @classmethod
    def for_data(cls, x: npt.ArrayLike, *, sigma_min: float = 0.01) -> "Geometric":
        """Give the ladder for these data by the published rules.

        x : (n, *shape), in the units of the network.   sigma_min : small beside the details of the data.

        sigma_max is the largest distance between two samples (of 4096 evenly chosen ones, if there are more), so that
        dynamics at the top reach every mode from every other; neighbouring levels overlap by one half, in few
        dimensions by more: their ratio is at most 1.5. Source: Song and Ermon 2020 (arXiv:2006.09011), techniques 1, 2.

        >>> Geometric.for_data([[0.0, 0.0], [3.0, 4.0]], sigma_min=0.1)
        Geometric(T=11, sigma_min=0.1, sigma_max=5.0)
        """
        rows = real_array(x, "x", dtype=np.float32, images=True)
        if rows.ndim < 2 or len(rows) < 2:
            raise ValueError(f"x must have shape (n, *shape) with n >= 2, got {rows.shape}")
        rows = np.ascontiguousarray(rows.reshape(len(rows), -1))
        sigma_max = _core.diameter(rows, MOST_COMPARED)
        sigma_min = number(sigma_min, "sigma_min", 0, open_low=True)
        if sigma_min >= sigma_max:
            raise ValueError(f"sigma_min={sigma_min:g} is not below the largest distance of the data, {sigma_max:g}")
        return cls(_core.schedules.ladder_levels(rows.shape[1], sigma_min, sigma_max), sigma_min, sigma_max)
