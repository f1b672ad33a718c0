"""`python -m benchmarks`: ours beside PyTorch on this machine, as a Markdown table."""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

import scorefield as sf
from benchmarks import cases
from benchmarks.timing import Timing, interleave


@dataclass(frozen=True)
class Row:
    """One line of the table; times in seconds per step, per evaluation, or per number."""

    work: str
    threads: int
    ours: Timing
    peer: str
    theirs: Timing

    @property
    def ratio(self) -> float:
        return self.theirs.median / self.ours.median

    def markdown(self) -> str:
        return (
            f"| {self.work} | {self.threads} | {_time(self.ours.median)} | {_time(self.theirs.median)} ({self.peer}) "
            f"| **{self.ratio:.2f}** |"
        )


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds:.2g} s"


def compare(work: str, threads: int, contenders: cases.Contenders, units: int, rounds: int) -> Row:
    """Time the contenders and set ours beside the quickest of the others; `units` pieces of work per call."""
    timings = {
        name: Timing(t.median / units, t.best / units, t.rounds)
        for name, t in interleave(contenders, rounds=rounds).items()
    }
    ours = timings.pop(cases.OURS)
    peer = min(timings, key=lambda name: timings[name].median)
    return Row(work, threads, ours, peer, timings[peer])


def measure(options: argparse.Namespace) -> Iterator[Row]:
    """Rows of the table, one by one as they are ready."""
    for threads in options.threads:
        sf.set_num_threads(threads)
        torch.set_num_threads(threads)
        if "noise" in options.work:
            yield compare("noise, per number", threads, cases.noise(1 << 24), 1 << 24, options.rounds)
        for case in (*cases.UNETS, *cases.MLPS):
            if options.only and options.only.lower() not in case.name.lower():
                continue
            if "training" in options.work:
                contenders = cases.training(case, options.engine, steps=4)
                yield compare(f"{case.name}, training step", threads, contenders, 4, options.rounds)
            if "evaluation" in options.work:
                contenders = cases.evaluation(case, options.engine, steps=10)
                yield compare(f"{case.name}, evaluation", threads, contenders, 10, options.rounds)


def machine() -> str:
    """Names the machine and the versions, as every figure needs."""
    cpu = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"PyTorch {torch.__version__}, scorefield {sf.__version__} {sf.build_info()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[2], help="thread counts to measure (default 2)")
    parser.add_argument("--only", help="only networks whose name holds this text, e.g. 8x8 or MLP")
    parser.add_argument("--work", nargs="+", default=["noise", "training", "evaluation"])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender; medians are reported")
    parser.add_argument("--engine", default="fast", help="fast, direct or reference")
    parser.add_argument("--out", type=pathlib.Path, help="also write the table to this file")
    options = parser.parse_args()
    lines = [machine(), "", "| work | threads | scorefield | PyTorch | ratio |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    for row in measure(options):
        lines.append(row.markdown())
        print(lines[-1], flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
