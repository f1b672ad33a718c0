"""DPM-Solver and DPM-Solver++: exponential integrators in log(alpha / sigma), single-step and multistep."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import choice, integer, switch
from scorefield.samplers.base import CoreSampler, set_fields

__all__ = ["DPMSolver", "DPMSolverPP"]


class _Exponential(CoreSampler):
    """What both share: the words, their checks, and the two forms in the core."""

    order: Any
    variant: str
    solver: str
    lower_order_final: int
    half_d2: bool
    between: str

    def _check(self) -> None:
        set_fields(
            self,
            order=integer(self.order, "order", 1, 3),
            variant=choice(self.variant, "variant", ("multistep", "singlestep")),
            solver=choice(self.solver, "solver", ("midpoint", "heun")),
            lower_order_final=integer(self.lower_order_final, "lower_order_final", 0, 3),
            half_d2=switch(self.half_d2, "half_d2"),
            between=choice(self.between, "between", ("log_snr", "grid")),
        )
        if self.variant == "multistep":
            if self.between != "log_snr":
                raise ValueError('between is a word of variant="singlestep"; leave it out')
        elif self.between == "grid":
            if self.half_d2:
                raise ValueError('half_d2 is a word of variant="multistep"; leave it out')
        elif self.solver != "midpoint" or self.lower_order_final or self.half_d2:
            raise ValueError(
                'solver, lower_order_final and half_d2 are words of variant="multistep"; leave them out (the first two '
                'are known to between="grid" as well)'
            )

    def _singlestep(self, predicts: Any) -> Any:
        if self.between == "grid":
            return _core.DpmSolverOnGrid(
                self.order, predicts, heun=self.solver == "heun", lower_order_final=self.lower_order_final
            )
        return _core.DpmSolver(self.order, predicts)

    def _multistep(self, predicts: Any, *, stochastic: bool = False) -> Any:
        return _core.DpmSolverPp(
            self.order,
            predicts=predicts,
            heun=self.solver == "heun",
            half_D2=self.half_d2,
            lower_order_final=self.lower_order_final,
            stochastic=stochastic,
        )


@dataclass(frozen=True, repr=False)
class DPMSolver(_Exponential):
    """DPM-Solver: an exponential integrator in log(alpha / sigma) that takes the noise for slowly varying.

    order : 1 (which is DDIM), 2 or 3.
    variant : "singlestep", `order` calls per step at levels between t and s, or "multistep", one call per step.
    solver, lower_order_final, half_d2 : of the multistep form, as in `DPMSolverPP`.
    between : of the single-step form, as in `DPMSolverPP`.

    The last step to sigma = 0 returns x0_hat. `DPMSolverPP` suits guidance and clipped data better.

    Source: Lu et al. 2022 (arXiv:2206.00927), algorithms 1 and 2; theory 7.

    >>> DPMSolver(3).calls, DPMSolver(3, variant="multistep").calls
    (3, 1)
    """

    order: int = 2
    variant: str = "singlestep"
    _: KW_ONLY
    solver: str = "midpoint"
    lower_order_final: int = 0
    half_d2: bool = False
    between: str = "log_snr"

    def __post_init__(self) -> None:
        self._check()

    def _core(self) -> Any:
        noise = _core.Predicts.noise
        return self._multistep(noise) if self.variant == "multistep" else self._singlestep(noise)


@dataclass(frozen=True, repr=False)
class DPMSolverPP(_Exponential):
    """DPM-Solver++: an exponential integrator in log(alpha / sigma) that takes the data for slowly varying.

    Multistep of order 2 it is the default sampler, good from about 15 steps on. The last step to sigma = 0 returns
    x0_hat.

    order : 1 (which is DDIM), 2 or 3.
    variant : "multistep", one call per step, or "singlestep", `order` calls per step at levels between t and s.
    stochastic : the reverse SDE instead of the ODE: 2M SDE, 3M SDE; with "singlestep" 2S ancestral (order 2 only).
    solver : at order 2, "midpoint" (half of c1 for the first difference, as in the paper) or "heun" (all of c2).
    lower_order_final : the j-th of so many last steps, counted from the end, is of order at most j. 0: none, 1: the
        last is Euler's, order - 1: what others mean by their switch of this name, which they may heed below 15 steps
        only. With it an error is of order 2 at most, for one step of order 1 costs O(h^2).
    half_d2 : at order 3, half of the second difference's part, as the authors' program and diffusers have it; the error
        is then of order 2.
    between : where the single-step form asks between t and s: "log_snr", at even parts of log-SNR, or "grid", at times
        of the grid, in turns of `order` steps of one call each and orders 1, 2, ..., all from the start of the turn:
        the authors' program and diffusers. It knows solver ("heun" has a parabola at order 3) and lower_order_final.
        Of order 3 where the grid is about even in log-SNR and `order` divides its steps, else of order 2.

    In diffusers' words (DPMSolverMultistepScheduler): algorithm_type "dpmsolver++" is this class, "sde-dpmsolver++" its
    stochastic form, "dpmsolver" is ``DPMSolver(order, variant="multistep")``; solver_type is `solver`; euler_at_final
    is lower_order_final=1; final_sigmas_type "zero" is a grid that ends at t = 0, "sigma_min" one that ends at t = 1;
    solver_order 3 needs half_d2. DPMSolverSinglestepScheduler is variant="singlestep" with between="grid".

    Source: Lu et al. 2022 (arXiv:2211.01095), algorithms 1 and 2, eq. 14 and appendix B; 2S ancestral and 3M SDE are
    known from k-diffusion; theory 7.

    >>> DPMSolverPP(3).calls, DPMSolverPP(3, variant="singlestep").calls
    (1, 3)
    """

    order: int = 2
    variant: str = "multistep"
    stochastic: bool = False
    _: KW_ONLY
    solver: str = "midpoint"
    lower_order_final: int = 0
    half_d2: bool = False
    between: str = "log_snr"

    def __post_init__(self) -> None:
        set_fields(self, stochastic=switch(self.stochastic, "stochastic"))
        self._check()
        if self.stochastic and self.variant == "singlestep" and (self.order != 2 or self.between == "grid"):
            raise ValueError(
                f"the stochastic single-step form has order 2 only (2S ancestral), between even steps of log-SNR; got "
                f"order {self.order}, between {self.between!r}"
            )

    def _core(self) -> Any:
        if self.variant == "multistep":
            return self._multistep(_core.Predicts.data, stochastic=self.stochastic)
        return _core.DpmSolverAncestral() if self.stochastic else self._singlestep(_core.Predicts.data)
