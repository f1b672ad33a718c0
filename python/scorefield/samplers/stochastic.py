"""Samplers that follow the reverse SDE, correct by Langevin steps, or restart the ODE with fresh noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scorefield import _core
from scorefield._arrays import choice, integer, number
from scorefield.samplers.base import CoreSampler, set_fields

if TYPE_CHECKING:
    from scorefield.grids import Times
    from scorefield.schedules import Schedule

__all__ = ["EulerMaruyama", "PredictorCorrector", "Restart"]


@dataclass(frozen=True, repr=False)
class EulerMaruyama(CoreSampler):
    """Euler-Maruyama on the reverse SDE of any schedule; 1000 steps by default.

    eta : in [0, 1], scales the noise, and the score with it so that the marginals stay: 1 is the reverse SDE, 0 the
    probability-flow ODE by Euler's method.

    The last step, to sigma = 0, returns x0_hat. Where alpha = 0 (RectifiedFlow at t = 1) f and g are infinite: that
    step is Euler's in sigma / alpha.
    Source: Song et al. 2021, section 4.3; theory (22)-(24).

    >>> EulerMaruyama().stochastic, EulerMaruyama(eta=0).stochastic
    (True, False)
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        set_fields(self, eta=number(self.eta, "eta", 0, 1))

    def _core(self) -> Any:
        return _core.EulerMaruyama(self.eta)

    def _default_steps(self, schedule: Schedule) -> int:
        return 1000


@dataclass(frozen=True, repr=False)
class PredictorCorrector(CoreSampler):
    """A step of the reverse SDE, then steps of Langevin dynamics at the level reached; 1000 steps by default.

    predictor : "reverse_diffusion", the forward step undone, or "ancestral", a draw from (6), (7).
    corrector_steps : >= 0 Langevin steps after each predictor; 0 leaves the predictor alone.
    snr : in (0, 1), the share r of noise in a Langevin step: 2 (r sigma_s)^2 (1 - beta) is its size. Where noise
    dominates, the corrector alone ends in a variance 1 / (1 - r^2) times too large.

    The paper's size has |z| / |score|, averaged over the batch, in place of sigma_s, its expected value where noise
    dominates: so that samples do not depend on each other. The last step, to sigma = 0, returns x0_hat.
    Source: Song et al. 2021, algorithms 2-5 and eq. 46; theory 7.

    >>> PredictorCorrector(corrector_steps=2).calls
    3
    """

    predictor: str = "reverse_diffusion"
    corrector_steps: int = 1
    snr: float = 0.16

    def __post_init__(self) -> None:
        set_fields(
            self,
            predictor=choice(self.predictor, "predictor", ("reverse_diffusion", "ancestral")),
            corrector_steps=integer(self.corrector_steps, "corrector_steps", 0, 1_000_000),
            snr=number(self.snr, "snr", 0, 1, open_low=True, open_high=True),
        )

    def _core(self) -> Any:
        return _core.PredictorCorrector(getattr(_core.Predictor, self.predictor), self.corrector_steps, self.snr)

    def _default_steps(self, schedule: Schedule) -> int:
        return 1000


@dataclass(frozen=True, repr=False)
class Restart(CoreSampler):
    """Heun's method that goes back from t_min up to t_max by fresh noise, and down again, K times.

    K : >= 1 restarts.   t_min, t_max : the interval, of sigma / alpha: the paper's t.
    steps : >= 1, from t_max down to t_min, equal steps of (sigma / alpha)^(1/7).

    A restart contracts the errors made above t_min, at the price of 2 `steps` calls. ``sample(steps=)`` counts the way
    down; t_min joins its times, and the restarts come in addition, so that a trajectory shows times that rise.
    ValueError where the grid does not span the interval.
    Source: Xu et al. 2023 (arXiv:2306.14878), algorithm 1; the interval is theirs for CIFAR-10; theory 7.

    >>> import scorefield as sf
    >>> exact = sf.GaussianMixture([[1.0]], stds=0.5).denoiser(sf.schedules.EDM())
    >>> len(exact.sample(1, sampler=Restart(K=4, steps=3), steps=20, trajectory=True))
    37
    """

    K: int = 2
    t_min: float = 0.06
    t_max: float = 0.3
    steps: int = 3

    def __post_init__(self) -> None:
        low = number(self.t_min, "t_min", 0, open_low=True)
        set_fields(
            self,
            K=integer(self.K, "K", 1, 1_000_000),
            t_min=low,
            t_max=number(self.t_max, "t_max", low, open_low=True),
            steps=integer(self.steps, "steps", 1, 1_000_000),
        )

    def _core(self) -> Any:
        return _core.Heun(0.0, 0.0, np.inf, 1.0, _core.HeunForm.ratio)

    @property
    def stochastic(self) -> bool:
        """Whether it draws noise, a bool."""
        return True

    def _route(self, schedule: Schedule, times: Times) -> Times:
        return np.array(_core.restarted(schedule._core, times.tolist(), self.K, self.steps, self.t_min, self.t_max))
