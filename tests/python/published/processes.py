"""The three processes of the transcriptions, in closed form: alpha, sigma, the inverse of lambda, f, g^2."""

from dataclasses import dataclass

import numpy as np

import scorefield as sf


@dataclass(frozen=True)
class VP:
    """Song et al. 2021, eq. 33; its inverse: Lu et al. 2022a, appendix D.4."""

    b0: float = 0.1
    b1: float = 20.0
    schedule = sf.schedules.VP(0.1, 20.0)
    start, end = 1.0, 1e-2

    def alpha(self, t):
        return np.exp(-(t**2) * (self.b1 - self.b0) / 4 - t * self.b0 / 2)

    def sigma(self, t):
        return np.sqrt(-np.expm1(-(t**2) * (self.b1 - self.b0) / 2 - t * self.b0))

    def t_of_lambda(self, lam):
        L = np.log1p(np.exp(-2 * lam))
        return 2 * L / (np.sqrt(self.b0**2 + 2 * (self.b1 - self.b0) * L) + self.b0)

    def f(self, t):
        return -self.g2(t) / 2

    def g2(self, t):
        return self.b0 + t * (self.b1 - self.b0)


@dataclass(frozen=True)
class EDM:
    """Karras et al. 2022: sigma = t."""

    schedule = sf.schedules.EDM()
    start, end = 80.0, 5e-3

    def alpha(self, t):
        return 1.0 + 0 * t

    def sigma(self, t):
        return t

    def t_of_lambda(self, lam):
        return np.exp(-lam)

    def f(self, t):
        return 0 * t

    def g2(self, t):
        return 2 * t


@dataclass(frozen=True)
class Flow:
    """Liu et al. 2023: alpha = 1 - t, sigma = t; g^2 by theory (21). From where alpha is not yet 0."""

    schedule = sf.schedules.RectifiedFlow()
    start, end = 0.98, 0.01

    def alpha(self, t):
        return 1 - t

    def sigma(self, t):
        return t

    def t_of_lambda(self, lam):
        return 1 / (1 + np.exp(lam))

    def f(self, t):
        return -1 / (1 - t)

    def g2(self, t):
        return 2 * t / (1 - t)


PROCESSES = [VP(), EDM(), Flow()]


class Problem:
    """A process, a made-up denoiser (smooth, not linear, of no data) and a grid of uneven steps."""

    def __init__(self, process, steps=12, to_zero=False, seed=0):
        self.process, rng = process, np.random.default_rng(seed)
        self.mix, self.shift = rng.normal(size=(3, 3)) / 2, rng.normal(size=3)
        lam = np.linspace(self.lam(process.start), self.lam(process.end), steps + 1)
        lam[1:-1] += rng.uniform(-0.3, 0.3, steps - 1) * (lam[1] - lam[0])
        self.times = process.t_of_lambda(lam)
        self.times[0], self.times[-1] = process.start, 0.0 if to_zero else process.end
        self.x_T = process.sigma(process.start) * rng.normal(size=(5, 3))

    def lam(self, t):
        with np.errstate(divide="ignore"):
            return np.log(self.process.alpha(t)) - np.log(self.process.sigma(t))

    def x0(self, x, t):
        """The answer at the state x and the time t, a number."""
        a, s = self.process.alpha(t), self.process.sigma(t)
        return np.tanh(x @ self.mix / np.sqrt(a**2 + s**2) + self.shift) * (1 + 0.5 * s / (1 + s))

    def eps(self, x, t):
        return (x - self.process.alpha(t) * self.x0(x, t)) / self.process.sigma(t)

    def denoiser(self):
        return sf.Denoiser(lambda x, t: self.x0(x, t[:, None]), self.process.schedule, 3)

    def ours(self, sampler, seed=0):
        return self.denoiser().sample(x_T=self.x_T, sampler=sampler, grid=self.times, seed=seed)
