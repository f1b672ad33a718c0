"""Solvers of one call per step that reach their order through earlier answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import integer
from scorefield.samplers.base import CoreSampler, set_fields

__all__ = ["DPMSolverPP"]


@dataclass(frozen=True)
class DPMSolverPP(CoreSampler):
    """DPM-Solver++, multistep: the default, good from about 15 steps on. The last step, to sigma = 0, returns x0_hat.

    order : 1 (which is DDIM), 2 or 3.

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 2 and appendix B; theory 7.

    >>> DPMSolverPP(3).calls
    1
    """

    order: int = 2

    def __post_init__(self) -> None:
        set_fields(self, order=integer(self.order, "order", 1, 3))

    def _core(self) -> Any:
        return _core.DpmSolverPp(self.order)
