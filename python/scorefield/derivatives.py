"""Hand-written derivatives against central differences."""

from __future__ import annotations

from typing import Any

from scorefield._arrays import seed_number
from scorefield.network import Network

__all__ = ["gradcheck"]


def gradcheck(net_or_loss: Any, *, seed: int = 0) -> float:
    """Return the largest relative error of the derivatives, in float64; below 1e-6 where they are right.

    net_or_loss : a network, checked along a random direction in every parameter and every real input at random
    parameters, or a `Loss`, checked in every output.   seed : of the random point.

    A derivative d is compared with (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h (Abramowitz & Stegun 1964, 25.3.6),
    relative to the larger of the two, but at least to 1e-3 of the root mean square over all directions: some are 0 by
    theory.

    >>> from scorefield import MLP
    >>> gradcheck(MLP(2, widths=(16,))) < 1e-6
    True
    """
    if isinstance(net_or_loss, Network):
        return float(net_or_loss._core.gradcheck(seed_number(seed)))
    check = getattr(net_or_loss, "_gradcheck", None)
    if check is None:
        raise TypeError(f"gradcheck takes a network or a loss, got {type(net_or_loss).__name__}")
    return float(check(seed_number(seed)))
