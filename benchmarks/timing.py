"""Interleaved timing: every contender takes its turn in every round, so that a busy minute hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of work of one contender: the median and the best over the rounds."""

    median: float
    best: float
    rounds: int

    def per(self, units: float) -> Timing:
        return Timing(self.median / units, self.best / units, self.rounds)


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 7,
    seconds: float = 0.3,
    limit: float = 20.0,
) -> dict[str, Timing]:
    """Time each contender `rounds` times, in turn.

    A contender is called once to warm up, then as often per round as fits in `seconds` (at least once); the time of a
    round is that of one call. Once `limit` seconds have passed no round begins, except the first three. Returns a
    Timing per name.
    """
    begin_all = time.perf_counter()
    calls = {}
    for name, work in contenders.items():
        calls[name] = max(1, int(seconds / max(min(_once(work), _once(work)), 1e-9)))
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        if turn >= FEWEST_ROUNDS and time.perf_counter() - begin_all > limit:
            break
        for name, work in contenders.items():
            begin = time.perf_counter()
            for _ in range(calls[name]):
                work()
            spent[name].append((time.perf_counter() - begin) / calls[name])
    return {name: Timing(statistics.median(t), min(t), len(t)) for name, t in spent.items()}


def _once(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
