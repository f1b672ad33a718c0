"""Samplers of one call and no memory: ancestral sampling, the DDIM family, renoising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorefield import _core
from scorefield._arrays import choice, number
from scorefield.samplers.base import CoreSampler, set_fields

if TYPE_CHECKING:
    from scorefield.schedules import Schedule

__all__ = ["DDIM", "Ancestral", "Euler", "EulerAncestral", "Renoise"]


@dataclass(frozen=True, repr=False)
class Ancestral(CoreSampler):
    """Ancestral sampling of DDPM, on any subsequence of steps; by default all T (1000 where time is continuous).

    variance : "beta_tilde", that of the posterior q(x_s | x_t, x0); "beta", that of the forward step; or "learned",
    what a model with learn_variance learnt between the two.

    Source: Ho, Jain and Abbeel 2020, algorithm 2; Nichol and Dhariwal 2021, eq. 15; theory (6), (7).

    >>> Ancestral().stochastic
    True
    """

    variance: str = "beta_tilde"

    def __post_init__(self) -> None:
        set_fields(self, variance=choice(self.variance, "variance", ("beta_tilde", "beta", "learned")))

    def _core(self) -> Any:
        return _core.Ancestral(getattr(_core.Variance, self.variance))

    def _default_steps(self, schedule: Schedule) -> int:
        return schedule.T or 1000


@dataclass(frozen=True, repr=False)
class DDIM(CoreSampler):
    """DDIM: deterministic at eta = 0, ancestral sampling at eta = 1.

    eta : in [0, 1], the share of fresh noise.
    clip : c > 0: x0_hat is held in [-c, c], but the noise stays as it was estimated before, a habit of diffusers;
    None: as `sample(clip=)` says, where both change together. In the units of x_t.

    Source: Song, Meng and Ermon 2021, eqs. 12, 16; theory 7.

    >>> DDIM().order, DDIM(eta=0.5).stochastic
    (1, True)
    """

    eta: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        clip = None if self.clip is None else number(self.clip, "clip", 0, open_low=True)
        set_fields(self, eta=number(self.eta, "eta", 0, 1), clip=clip)

    def _core(self) -> Any:
        return _core.Ddim(self.eta, self.clip)


def Euler() -> DDIM:  # noqa: N802 - an alias reads like the class it stands for
    """Give Euler's method for the probability-flow ODE in sigma / alpha: a `DDIM` with eta = 0."""
    return DDIM(0.0)


def EulerAncestral() -> DDIM:  # noqa: N802
    """Give the ancestral variant of Euler's method: a `DDIM` with eta = 1, which is `Ancestral()`."""
    return DDIM(1.0)


@dataclass(frozen=True, repr=False)
class Renoise(CoreSampler):
    """Denoise to the end, then noise again to the next level with fresh noise. For few steps: many lose variance.

    Source: consistency sampling, Song et al. 2023, algorithm 1; theory 7.

    >>> Renoise().stochastic
    True
    """

    def _core(self) -> Any:
        return _core.Renoise()
