"""Guidance: how strongly a sample follows its label, condition or text."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import number

__all__ = ["ClassifierFree", "Guidance"]


class Guidance(ABC):
    """How answers with and without the condition are joined."""

    @property
    @abstractmethod
    def needs_condition(self) -> bool:
        """Whether the answers without condition take part, so that there must be one; a bool."""

    @abstractmethod
    def _join(self, conditional: Callable[[], Any], unconditional: Callable[[], Any]) -> Any:
        """The core's denoiser made of the two; each is made only if it is needed."""


@dataclass(frozen=True)
class ClassifierFree(Guidance):
    """Classifier-free guidance: eps_u + w (eps_c - eps_u). A plain number w is short for it.

    w : >= 0; 0 is unconditional, 1 conditional, both without the other network call, above 1 stronger.
    rescale : in [0, 1], share of the correction that gives x0_hat the deviation (over the features of a sample) of the
    conditional answer, against over-exposure.
    interval : (low, high), guidance only at times t in it, conditional elsewhere; None: always.

    Sources: Ho and Salimans 2022, eq. 6; Lin et al. 2023, eqs. 15, 16; Kynkaanniemi et al. 2024; theory (26).

    >>> ClassifierFree(4.0, rescale=0.7, interval=(100, 800)).w
    4.0
    """

    w: float
    rescale: float
    interval: tuple[float, float] | None

    def __init__(self, w: float, *, rescale: float = 0.0, interval: tuple[float, float] | None = None) -> None:
        object.__setattr__(self, "w", number(w, "w", 0))
        object.__setattr__(self, "rescale", number(rescale, "rescale", 0, 1))
        object.__setattr__(self, "interval", None if interval is None else _interval(interval))

    @property
    def needs_condition(self) -> bool:
        """Whether w is other than 1, a bool."""
        return self.w != 1

    def _join(self, conditional: Callable[[], Any], unconditional: Callable[[], Any]) -> Any:
        if self.w == 1:
            return conditional()
        if self.w == 0 and self.rescale == 0 and self.interval is None:
            return unconditional()
        low, high = self.interval or (0.0, float("inf"))
        return _core.ClassifierFree(conditional(), unconditional(), self.w, self.rescale, low, high)


def _interval(interval: object) -> tuple[float, float]:
    if not isinstance(interval, tuple | list) or len(interval) != 2:
        raise ValueError(f"interval must be (low, high), two times, got {interval!r}")
    low, high = number(interval[0], "interval[0]"), number(interval[1], "interval[1]", finite=False)
    if low > high:
        raise ValueError(f"interval must be (low, high) with low <= high, got ({low:g}, {high:g})")
    return low, high


def resolve_guidance(guidance: object) -> Guidance:
    """Give the Guidance that a number or an object stands for."""
    if isinstance(guidance, Guidance):
        return guidance
    try:
        return ClassifierFree(number(guidance, "guidance", 0))
    except TypeError:
        raise TypeError(f"guidance must be a number or one of sf.guidance, got {guidance!r}") from None
