"""What each kind of work shall reach on two threads: PyTorch's time (or memory, or size) over ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`must` is promised, `aim` is hoped for."""

    must: float
    aim: float


NETWORK = Goal(2.5, 4.0)  # UNets, a training step and an evaluation each
NOISE = Goal(5.0, 7.0)
MEMORY = Goal(1.0, 2.0)
IMPORT = Goal(5.0, 10.0)
SIZE = Goal(10.0, 50.0)
MLP_TRAINING = {
    "MLP B256 W128 D3": Goal(2.5, 3.5),
    "MLP B1024 W128 D4": Goal(2.0, 2.8),
    "MLP B4096 W256 D4": Goal(1.5, 2.0),
    "MLP B4096 W512 D6": Goal(1.15, 1.5),
}
LOOPS = {"MLP B256 W128 D3": Goal(2.5, 3.5), "MLP B32 W64 D3": Goal(10.0, 20.0)}
