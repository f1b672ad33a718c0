"""The path of a run: every state between noise and data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scorefield._arrays import Array


@dataclass(frozen=True, eq=False)
class Trajectory:
    """States of a run at the times where they were kept.

    t : (S + 1,) float64 times.   x : (S + 1, n, *shape) states, x[0] is the start and x[-1] the end.
    x0 : (S, n, *shape) what the denoiser answered in the step that led to x[i + 1], in the units of the data; None
    where nothing was asked.   accepted : (S, n) share of accepted proposals on the way from x[i] to x[i + 1]; None
    for methods without any.
    """

    t: Array
    x: Array
    x0: Array | None = None
    accepted: Array | None = None

    def __len__(self) -> int:
        """Give the number of steps S between the states, an int."""
        return len(self.t) - 1

    def __repr__(self) -> str:
        return f"Trajectory(t {self.t.shape} {self.t[0]:g} -> {self.t[-1]:g}, x {self.x.shape} {self.x.dtype})"


@dataclass(frozen=True, eq=False)
class SampleEvent:
    """What callbacks and `sample_iter` see after a step; unpacks as (index, t, s, x, x0).

    index : number of the step, from 0.   t, s : the step went from time t to time s.   x : (n, *shape) the state at s.
    x0 : (n, *shape) what the denoiser answered at (x_t, t), in the units of the data; None if it was not asked.
    accepted : (n,) proposals accepted in all steps so far; None for methods without any, not unpacked.
    """

    index: int
    t: float
    s: float
    x: Array
    x0: Array | None
    accepted: Array | None = None

    def __iter__(self) -> Iterator[Any]:
        """Give index, t, s, x, x0 one by one: an event unpacks like a tuple."""
        return iter((self.index, self.t, self.s, self.x, self.x0))
