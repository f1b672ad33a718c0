"""One noise level at every time."""

from dataclasses import dataclass
from typing import Any

from scorefield import _core
from scorefield._arrays import number
from scorefield.schedules.continuous import Unit
from scorefield.schedules.native import settle


@dataclass(frozen=True)
class Single(Unit):
    """One noise level at every t, x = x0 + sigma eps: score matching and energies of the data; sampled by Langevin
    only.

    sigma : >= 0; 0 is the data themselves.

    >>> Single(0.1).sigma([0.0, 0.5]).tolist()
    [0.1, 0.1]
    """

    _sigma: float = 0.0

    def __init__(self, sigma: float = 0.0) -> None:
        settle(self, _sigma=number(sigma, "sigma", 0))

    def _make(self) -> Any:
        return _core.schedules.single(self._sigma)

    def __repr__(self) -> str:
        return f"Single(sigma={self._sigma})"
