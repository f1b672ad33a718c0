"""Interleaved timing: every contender takes its turn in every round, so that a busy minute hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work of one contender: the median and the best over the rounds."""

    median: float
    best: float
    rounds: int


def interleave(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 7, seconds: float = 0.3
) -> dict[str, Timing]:
    """Time each contender `rounds` times, in turn.

    A contender is called once to warm up, then as often per round as fits in `seconds` (at least once); the time of a
    round is that of one call. Returns a Timing per name.
    """
    calls = {}
    for name, work in contenders.items():
        work()
        calls[name] = max(1, int(seconds / max(_once(work), 1e-9)))
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            begin = time.perf_counter()
            for _ in range(calls[name]):
                work()
            spent[name].append((time.perf_counter() - begin) / calls[name])
    return {name: Timing(statistics.median(t), min(t), rounds) for name, t in spent.items()}


def _once(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
