"""Langevin dynamics: at one noise level, and down a ladder of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scorefield import _core
from scorefield._arrays import integer, number
from scorefield.samplers.base import CoreSampler, set_fields
from scorefield.schedules import Schedule, resolve_schedule

if TYPE_CHECKING:
    from scorefield.grids import Grid, Times

__all__ = ["AnnealedLangevin", "Langevin"]


@dataclass(frozen=True, repr=False)
class AnnealedLangevin(CoreSampler):
    """Langevin dynamics at every level of the grid, from much noise to little, and a last denoising: the sampler of
    NCSN. By default all levels of a ladder (1000 where time is continuous).

    step_size : in (0, 2); a level sigma takes steps a = step_size sigma^2 of x += a / 2 score + sqrt(a) z. The paper's
    e / sigma_L^2, sigma_L the least. Where noise dominates, the variance comes out 1 / (1 - step_size / 4) times too
    large: 5 % at 0.2, twice at 2.
    inner : >= 1 steps at each level.

    Source: Song and Ermon 2019, algorithm 1; the denoising: Jolicoeur-Martineau et al. 2021; theory 7.

    >>> AnnealedLangevin(inner=10).calls
    10
    """

    step_size: float = 0.2
    inner: int = 100

    def __post_init__(self) -> None:
        step_size = number(self.step_size, "step_size")
        if not 0 < step_size < 2:
            raise ValueError(
                "step_size must be in (0, 2): at 2 the variance of a noise level is doubled, at 4 it is infinite; "
                f"got {step_size:g}"
            )
        set_fields(self, step_size=step_size, inner=integer(self.inner, "inner", 1, 2**31 - 1))

    @classmethod
    def for_ladder(cls, ladder: Schedule, *, inner: int = 100) -> AnnealedLangevin:
        """Give the sampler whose step_size suits a ladder of equal ratios (`Geometric`) and `inner` steps a level.

        It brings the variance of each level, met with that of the level above, as near to its own as `inner` steps can.
        Source: Song and Ermon 2020 (arXiv:2006.09011), technique 4, whose epsilon is step_size sigma_min^2 / 2.

        >>> import scorefield as sf
        >>> round(AnnealedLangevin.for_ladder(sf.schedules.Geometric(232, 0.01, 50.0), inner=5).step_size, 2)
        0.12
        """
        ladder = resolve_schedule(ladder)
        if not ladder._core.exploding or ladder.T is None or ladder.T < 2:
            raise ValueError(f"the ladder must be a schedule of T >= 2 sigmas such as Geometric, got {ladder!r}")
        ratio = (float(ladder.sigma(ladder.T)) / float(ladder.sigma(1))) ** (1 / (ladder.T - 1))
        inner = integer(inner, "inner", 1, 2**31 - 1)
        return cls(_core.schedules.ladder_step_size(ratio, inner), inner)

    def _core(self) -> Any:
        return _core.AnnealedLangevin(self.step_size, self.inner)

    def _default_steps(self, schedule: Schedule) -> int:
        return schedule.T or 1000


@dataclass(frozen=True, repr=False)
class Langevin(CoreSampler):
    """Langevin dynamics at one noise level, for any score or energy; 1000 steps by default, from x_T, which is normal
    unless given.

    step_size : > 0, the a of x += a / 2 score(x, t) + sqrt(a) z. Without a test the variance of N(mu, V) comes out as
    V / (1 - a / (4 V)), and from a = 4 V on it diverges.
    t : the time whose density is sampled; 0 is the data, for models that know their score there (an exact mixture, or
    a network with `Single`).
    metropolis : accept or reject each step, so that the density is exact for any step size (MALA). For models that
    know their density up to a constant: an exact mixture, or prediction "energy". ``Trajectory.accepted`` tells the
    share; about 0.6 is best.

    Langevin has no way between distant modes: they keep the weights they are started with.
    Source: Roberts and Tweedie 1996; theory 7.

    >>> import scorefield as sf
    >>> exact = sf.GaussianMixture([[0.0]], stds=1.0).denoiser(sf.schedules.Single())
    >>> path = exact.sample(8, sampler=Langevin(0.1, metropolis=True), steps=20, trajectory=True)
    >>> path.x.shape, path.accepted.shape, bool(path.accepted.mean() > 0.9)
    ((21, 8, 1), (20, 8), True)
    """

    step_size: float
    t: float = 0.0
    metropolis: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.metropolis, bool | np.bool_):
            raise TypeError(f"metropolis must be True or False, got {self.metropolis!r}")
        set_fields(
            self,
            step_size=number(self.step_size, "step_size", 0, open_low=True),
            t=number(self.t, "t", 0),
            metropolis=bool(self.metropolis),
        )

    def _core(self) -> Any:
        return _core.Langevin(self.step_size, self.metropolis)

    def _times(self, schedule: Schedule, steps: int | None, grid: Grid | str | Any) -> Times:
        if grid is not None:
            raise ValueError(f"{self!r} stays at one time and takes no grid; leave it out, or use AnnealedLangevin")
        if self.t > schedule.t_max:
            raise ValueError(f"t of {self!r} must lie in 0..{schedule.t_max:g}, the times of {schedule!r}")
        return np.full(integer(1000 if steps is None else steps, "steps", 1, 10_000_000) + 1, self.t)

    def _spread(self, schedule: Schedule, times: Times) -> float:
        return 1.0
