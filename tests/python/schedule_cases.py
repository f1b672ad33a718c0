"""Schedules that several test files go through: one of each kind, and one written in Python."""

from dataclasses import dataclass

import numpy as np

import scorefield as sf
from scorefield import schedules

KNOWN = (
    schedules.Linear(),
    schedules.ScaledLinear(1000),
    schedules.Cosine(T=50, s=0.01),
    schedules.Sigmoid(200, start=-3, end=4, tau=0.9),
    schedules.Table(betas=np.linspace(1e-4, 0.02, 1000) ** 1.1),
    schedules.Table(alpha_bars=[0.9, 0.4, 0.01]),
    schedules.Table(sigmas=[0.1, 0.5, 3]),
    schedules.Linear(1000).zero_terminal_snr(),
    schedules.Geometric(10, 0.01, 1),
    schedules.VP(),
    schedules.SubVP(0.2, 10),
    schedules.VE(0.01, 20),
    schedules.RectifiedFlow(),
    schedules.RectifiedFlow(shift=3),
    schedules.EDM(),
)


class Quadratic(sf.Schedule):
    """Variance preserving, known by its two functions only."""

    t_min, t_max = 1e-3, 0.999

    def alpha(self, t):
        return 1 - t**2

    def sigma(self, t):
        return t * np.sqrt(2 - t**2)


@dataclass(frozen=True)
class Power(sf.Schedule):
    """alpha is 1, sigma = t^power: exploding, with a setting."""

    power: float = 2.0
    t_min = 0.1
    t_max = 10.0

    def alpha(self, t):
        return np.ones_like(t)

    def sigma(self, t):
        return t**self.power


EVERY = (*KNOWN, Quadratic(), Power(1.5))


def name(schedule):
    return str(schedule)[:60]
