"""Hand-written derivatives against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorefield._arrays import seed_number
from scorefield.losses import Loss, ScoreMatching
from scorefield.network import Network
from scorefield.schedules import VP

__all__ = ["gradcheck"]


def gradcheck(net_or_loss: Any, *, seed: int = 0) -> float:
    """Return the largest relative error of the derivatives, in float64; below 1e-6 where they are right.

    net_or_loss : a network, checked along a random direction in every parameter and every real input at random
    parameters, or a `Loss`: in the network's output, those made of derivatives (`Implicit`, `Sliced`) in the parameters
    of a small network.   seed : of the random point.

    A derivative d is compared with (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h (Abramowitz & Stegun 1964, 25.3.6),
    relative to the larger of the two, but at least to 1e-3 of the root mean square over all directions: some are 0 by
    theory.

    >>> from scorefield import MLP
    >>> gradcheck(MLP(2, widths=(16,))) < 1e-6
    True
    """
    number = seed_number(seed)
    if isinstance(net_or_loss, Network):
        return float(net_or_loss._core.gradcheck(number))
    if isinstance(net_or_loss, ScoreMatching):
        return net_or_loss._gradcheck(number)
    if isinstance(net_or_loss, Loss):
        return _check_in_outputs(net_or_loss, number)
    raise TypeError(f"gradcheck takes a network or a loss, got {type(net_or_loss).__name__}")


def _check_in_outputs(loss: Loss, seed: int) -> float:
    """The same for dvalue/dy of a loss, along random directions of 8 rows."""
    random, h = np.random.default_rng(seed), 1e-3
    y, target, v = random.normal(size=(3, 8, 5))
    level = VP().at(np.linspace(0.1, 0.9, len(y)))

    def value(step: float) -> np.ndarray[Any, Any]:
        return np.asarray(loss(y + step * v, target, level)[0], dtype=np.float64)

    slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    said = (np.asarray(loss(y, target, level)[1]) * v).sum(1)
    floor = 1e-3 * np.sqrt(np.mean(said**2))
    return float(np.max(np.abs(slope - said) / np.maximum(np.maximum(np.abs(slope), np.abs(said)), floor)))
