"""Linear multistep methods: one call per step, the order comes from earlier answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import choice, integer
from scorefield.samplers.base import CoreSampler, set_fields

__all__ = ["DEIS", "LMS", "PNDM", "UniPC"]

LAST = ("x0", "method")


@dataclass(frozen=True, repr=False)
class LMS(CoreSampler):
    """Linear multistep method in sigma / alpha: Adams-Bashforth's, with weights for the grid as it is.

    order : 1 to 4. A run starts with the lower orders, so that order 4 shows only on fine grids that start in pure
        noise (docs/samplers.md).
    last : a step to sigma = 0 returns x0_hat ("x0"), or goes on with the method ("method"), as k-diffusion and
        diffusers' LMSDiscreteScheduler do.

    Source: known from k-diffusion; the same as rho-AB-DEIS of Zhang and Chen 2022 (arXiv:2204.13902); theory 7.

    >>> LMS().history
    3
    """

    order: int = 4
    _: KW_ONLY
    last: str = "x0"

    def __post_init__(self) -> None:
        set_fields(self, order=integer(self.order, "order", 1, 4), last=choice(self.last, "last", LAST))

    def _core(self) -> Any:
        return _core.Lms(self.order, self.last == "method")


@dataclass(frozen=True, repr=False)
class PNDM(CoreSampler):
    """Pseudo linear multistep method of order 2: DDIM's step with a mean of the latest four answers for the noise.

    start : "runge_kutta", three steps of four calls each, or "heun", a first step of two calls and then the lower
        orders (PLMS of Stable Diffusion; diffusers' skip_prk_steps).
    last : as in `LMS`; diffusers' PNDMScheduler goes on with the method.

    Of order 2 on every grid that is even in some smooth variable: the step holds dx/d eps constant, which costs O(h^3),
    whatever the order of the mean. Source: Liu et al. 2022 (arXiv:2202.09778), eqs. 9 to 13; theory 7.

    >>> PNDM().calls, PNDM().extra_calls
    (1, 9)
    """

    start: str = "runge_kutta"
    _: KW_ONLY
    last: str = "x0"

    def __post_init__(self) -> None:
        set_fields(
            self,
            start=choice(self.start, "start", ("runge_kutta", "heun")),
            last=choice(self.last, "last", LAST),
        )

    def _core(self) -> Any:
        return _core.Pndm(getattr(_core.PndmStart, self.start), self.last == "method")


@dataclass(frozen=True, repr=False)
class DEIS(CoreSampler):
    """DEIS: exact weights for a polynomial of the noise through the latest answers, order 1 to 3.

    order : 1 (which is DDIM), 2 or 3.
    polynomial : of the time ("t", tAB-DEIS) or of log(sigma / alpha) ("log_rho", as in diffusers' "logrho"). The one in
        sigma / alpha itself is `LMS`.
    lower_order_final : as in `DPMSolverPP`.

    The last step to sigma = 0 returns x0_hat. Source: Zhang and Chen 2022 (arXiv:2204.13902), eqs. 14, 15; theory 7.

    >>> DEIS(3).calls
    1
    """

    order: int = 2
    _: KW_ONLY
    polynomial: str = "t"
    lower_order_final: int = 0

    def __post_init__(self) -> None:
        set_fields(
            self,
            order=integer(self.order, "order", 1, 3),
            polynomial=choice(self.polynomial, "polynomial", ("t", "log_rho")),
            lower_order_final=integer(self.lower_order_final, "lower_order_final", 0, 3),
        )

    def _core(self) -> Any:
        return _core.Deis(self.order, getattr(_core.DeisVariable, self.polynomial), self.lower_order_final)


@dataclass(frozen=True, repr=False)
class UniPC(CoreSampler):
    """UniPC: predictor and corrector with one call per step: each step first corrects the one before.

    order : p = 1, 2 or 3 of the predictor; the corrector makes the error of order p + 1, but at most 3 as h -> 0,
        because of the first step. A run that does not end at sigma = 0 ends with a predicted state.
    B : "bh1" (B(h) = h) or "bh2" (B(h) = 1 - e^-h, of noise e^h - 1); they differ where an a_m is taken for
        1/2: in the predictor of order 2 and the corrector of order 1.
    lower_order_final : as in `DPMSolverPP`; diffusers' UniPCMultistepScheduler has `order` there.
    predicts : "data" or "noise", what is taken for slowly varying; data suits guidance and clipping better.
    uncorrected : steps, counted from 0, whose prediction stays as it is (diffusers' disable_corrector), or "all": the
        predictor alone, UniP, of order p.

    The last step to sigma = 0 returns x0_hat. Source: Zhao et al. 2023 (arXiv:2302.04867), algorithms 5 to 8; theory 7.

    >>> UniPC(3, B="bh1").calls
    1
    >>> UniPC(uncorrected=range(2))
    UniPC(order=2, uncorrected=(0, 1))
    """

    order: int = 2
    B: str = "bh2"
    _: KW_ONLY
    lower_order_final: int = 0
    predicts: str = "data"
    uncorrected: Iterable[int] | str = ()

    def __post_init__(self) -> None:
        set_fields(
            self,
            order=integer(self.order, "order", 1, 3),
            B=choice(self.B, "B", ("bh1", "bh2")),
            lower_order_final=integer(self.lower_order_final, "lower_order_final", 0, 3),
            predicts=choice(self.predicts, "predicts", ("data", "noise")),
            uncorrected=_steps(self.uncorrected),
        )

    def _core(self) -> Any:
        B, predicts = getattr(_core.UniPcB, self.B), getattr(_core.Predicts, self.predicts)
        uncorrected = [_core.UniPc.every_step] if self.uncorrected == "all" else self.uncorrected
        return _core.UniPc(self.order, B, self.lower_order_final, predicts, uncorrected)


def _steps(uncorrected: object) -> tuple[int, ...] | str:
    if isinstance(uncorrected, str):
        return choice(uncorrected, "uncorrected", ("all",))
    if not isinstance(uncorrected, Iterable):
        raise TypeError(f'uncorrected must be "all" or numbers of steps, got {uncorrected!r}')
    return tuple(sorted({integer(i, "uncorrected", 0, 2**31 - 1) for i in uncorrected}))
