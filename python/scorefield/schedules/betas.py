"""Discrete schedules whose betas follow a formula: Linear, ScaledLinear, Cosine, Sigmoid."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scorefield import _core
from scorefield.schedules.discrete import DiscreteVP


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

    def _make(self) -> Any:
        return _core.schedules.sigmoid(self.T, self.start, self.end, self.tau)

    def _clipped_betas(self) -> int:
        return _count_clipped(self, 0.999)


def _count_clipped(schedule: DiscreteVP, clip: float) -> int:
    """Betas at the clip; they come back from alpha_bar, hence the tolerance (16 digits of alpha_bar)."""
    return int(np.count_nonzero(schedule.beta(np.arange(1.0, schedule.t_max + 1)) >= clip * (1 - 1e-9)))
