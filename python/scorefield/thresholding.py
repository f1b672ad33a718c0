"""How `sample(clip=...)` holds x0_hat within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scorefield._arrays import number

__all__ = ["DynamicThreshold"]


@dataclass(frozen=True)
class DynamicThreshold:
    """Dynamic thresholding, for ``sample(clip=...)``: each x0_hat is held in [-s, s] and divided by s.

    s is the `quantile` of its absolute values, but at least 1 and at most `largest`. ``clip="dynamic"`` is short for
    the defaults. For data in [-1, 1]; returns (n, *shape) like x0_hat.
    quantile : in (0, 1].   largest : >= 1.

    Source: Saharia et al. 2022 (Imagen), section 2.3; theory 7.

    >>> import scorefield as sf
    >>> exact = sf.GaussianMixture([[0.5, 3.0]], stds=0.1).denoiser(sf.schedules.VP())
    >>> exact.sample(2, steps=5, clip=sf.DynamicThreshold(0.9, largest=1.5)).shape
    (2, 2)
    """

    quantile: float = 0.995
    largest: float = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantile", number(self.quantile, "quantile", 0, 1, open_low=True))
        object.__setattr__(self, "largest", number(self.largest, "largest", 1, finite=False))
