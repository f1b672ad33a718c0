"""Schedules in continuous time, by their SDE or their path: VP, SubVP, VE, RectifiedFlow, EDM."""

from dataclasses import dataclass
from typing import Any

from scorefield import _core
from scorefield.schedules.native import NativeSchedule


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

    def _make(self) -> Any:
        return _core.schedules.edm(self.sigma_min, self.sigma_max, self.sigma_data)
