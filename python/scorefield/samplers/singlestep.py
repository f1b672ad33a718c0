"""Solvers that reach their order within the step, by several calls."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import choice, number, switch
from scorefield.samplers.base import CoreSampler, set_fields

__all__ = ["DPM2", "Heun"]


@dataclass(frozen=True, repr=False)
class Heun(CoreSampler):
    """Heun's method of EDM, order 2 with two calls per step, and its churn: noise put back before each step.

    S_churn : >= 0, how much, over all steps.   S_tmin, S_tmax : only where sigma / alpha lies between.
    S_noise : > 0, deviation of the fresh noise; a little above 1 makes up for lost detail.
    form : "ratio", in sigma / alpha, which is EDM's, or "time", the ODE dx/dt of (24) in the schedule's own time, which
        must be smooth, without churn: with `RectifiedFlow` what flow matching calls Heun, from t = 1 on.

    A step to sigma = 0 returns x0_hat. Source: Karras et al. 2022, algorithm 2; in time: algorithm 1, and Liu et al.
    2023 (arXiv:2209.03003); theory 7, (24).

    >>> Heun().stochastic, Heun(S_churn=20).stochastic
    (False, True)
    """

    S_churn: float = 0.0
    S_tmin: float = 0.0
    S_tmax: float = math.inf
    S_noise: float = 1.0
    _: KW_ONLY
    form: str = "ratio"

    def __post_init__(self) -> None:
        low = number(self.S_tmin, "S_tmin", 0)
        set_fields(
            self,
            S_churn=number(self.S_churn, "S_churn", 0),
            S_tmin=low,
            S_tmax=number(self.S_tmax, "S_tmax", low, finite=False),
            S_noise=number(self.S_noise, "S_noise", 0, open_low=True),
            form=choice(self.form, "form", ("ratio", "time")),
        )
        if self.form == "time" and self.S_churn > 0:
            raise ValueError(f'form="time" has no churn, got S_churn {self.S_churn:g}; leave one of them out')

    def _core(self) -> Any:
        return _core.Heun(self.S_churn, self.S_tmin, self.S_tmax, self.S_noise, getattr(_core.HeunForm, self.form))


@dataclass(frozen=True, repr=False)
class DPM2(CoreSampler):
    """DPM2: the midpoint rule in log(sigma / alpha), order 2 with two calls per step.

    ancestral : steps down to less noise than asked for and puts fresh noise back, as `EulerAncestral` does; order 1.

    A step to sigma = 0 returns x0_hat. Source: Karras et al. 2022, section 3, with the geometric mean as middle; both
    forms are known from k-diffusion (diffusers: KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler); theory 7.

    >>> DPM2().order, DPM2(ancestral=True).stochastic
    (2, True)
    """

    ancestral: bool = False

    def __post_init__(self) -> None:
        set_fields(self, ancestral=switch(self.ancestral, "ancestral"))

    def _core(self) -> Any:
        return _core.Dpm2(self.ancestral)
