"""Samplers that choose their own steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorefield import _core
from scorefield._arrays import choice, number
from scorefield.samplers.base import CoreSampler, set_fields

if TYPE_CHECKING:
    from scorefield.schedules import Schedule

__all__ = ["ProbabilityFlow"]


@dataclass(frozen=True)
class ProbabilityFlow(CoreSampler):
    """The probability-flow ODE by the adaptive pair of Dormand and Prince, with step sizes of each sample's own.

    rtol, atol : of the state in every step: a step is accepted if its error is below atol + rtol abs(x).
    form : "angle", in the angle between signal and noise (semi-linear, smooth at both ends, blind to the corners of
    discrete schedules), or "time", the black box dx/dt of (24).

    Steps of the grid, 1 by default, are only where the states are seen; each is solved to the tolerance, and the last
    piece, from t_min to sigma = 0, returns x0_hat. Runs upwards as well: `invert` with sampler="probability_flow".

    Sources: Song et al. 2021, section 4.3; Dormand and Prince 1980; Salimans and Ho 2022, appendix D; theory 7, (24).

    >>> ProbabilityFlow(rtol=1e-7, atol=1e-7).stochastic
    False
    """

    rtol: float = 1e-5
    atol: float = 1e-5
    form: str = "angle"

    def __post_init__(self) -> None:
        set_fields(
            self,
            rtol=number(self.rtol, "rtol", 1e-13, 1, open_high=True),
            atol=number(self.atol, "atol", 0, 1, open_low=True, open_high=True),
            form=choice(self.form, "form", ("angle", "time")),
        )

    def _core(self) -> Any:
        return _core.ProbabilityFlow(self.rtol, self.atol, getattr(_core.FlowForm, self.form))

    @property
    def _adaptive(self) -> bool:
        return True

    def _default_steps(self, schedule: Schedule) -> int:
        return 1
