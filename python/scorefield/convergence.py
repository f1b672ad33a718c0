"""The order of a solver, measured: how its error falls as the steps grow. Offered as `sf.metrics.convergence`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from scorefield import _core
from scorefield._arrays import Array, integer
from scorefield.grids import Grid
from scorefield.noise import normal
from scorefield.samplers import DPMSolver, Sampler, resolve_sampler
from scorefield.sampling import Loop

if TYPE_CHECKING:
    from scorefield._denoiser import BaseDenoiser
    from scorefield.schedules import Schedule

FINER = 8  # the reference has so many times the steps of the finest run, and at least LEAST
LEAST = 1024
FIRST = -16.0  # of log(alpha / sigma): x0_hat moves by O(alpha) above, so one step from there errs by O(e^-32)


@dataclass(frozen=True)
class ConvergenceRow:
    """One sampler's line of a `ConvergenceTable`.

    sampler : the Sampler.   order : what it claims.   steps, error, calls : one entry a run, tuples of equal length.
    """

    sampler: Sampler
    order: int
    steps: tuple[int, ...]
    error: tuple[float, ...]
    calls: tuple[int, ...]

    @property
    def slopes(self) -> tuple[float, ...]:
        """Order between neighbouring runs, log(error ratio) / log(step ratio), a tuple one shorter than `steps`."""
        points = pairwise(zip(self.steps, self.error, strict=True))
        return tuple(_slope(e, f) / math.log(n / m) for (m, e), (n, f) in points)

    @property
    def measured_order(self) -> float:
        """Order between the last two runs, a float; NaN if there was one run only."""
        return self.slopes[-1] if self.slopes else math.nan


def _slope(coarse: float, fine: float) -> float:
    if fine == 0:
        return math.inf if coarse > 0 else math.nan
    return math.log(coarse / fine) if coarse > 0 else -math.inf


class ConvergenceTable(Sequence[ConvergenceRow]):
    """What `convergence` finds: a sequence of rows that prints as a table, in a notebook as one of HTML."""

    def __init__(self, rows: Sequence[ConvergenceRow]) -> None:
        self._rows = tuple(rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ConvergenceRow]:
        return iter(self._rows)

    def cells(self) -> list[list[str]]:
        """Return the table as text: the header and a line a row, lists of str; calls are those of the finest run."""
        steps = self._rows[0].steps if self._rows else ()
        header = ["sampler", "order", "measured", *(f"error at {n}" for n in steps), "calls"]
        lines = [
            [repr(r.sampler), str(r.order), f"{r.measured_order:.2f}", *(f"{e:.1e}" for e in r.error), f"{r.calls[-1]}"]
            for r in self._rows
        ]
        return [header, *lines]

    def __repr__(self) -> str:
        lines = self.cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
        return "\n".join("  ".join(line).rstrip() for line in aligned)

    def _repr_html_(self) -> str:
        header, *lines = self.cells()
        top = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
        return f"<table><tr>{top}</tr>{body}</table>"


def convergence(
    denoiser: BaseDenoiser,
    samplers: Sampler | str | Sequence[Sampler | str],
    *,
    steps: Sequence[int],
    grid: Grid | str | None = None,
    n: int = 256,
    seed: int | None = 0,
) -> ConvergenceTable:
    """Measure the order of deterministic samplers: their errors at several numbers of steps, on the same start.

    denoiser : a mixture's exact denoiser best, for then the sampler is all that errs; any other will do.
    samplers : one or more objects or names, also samplers of your own.   steps : rising numbers of steps.
    grid : for all runs; None: what suits the schedule. One that ends above t = 0 measures the solver alone, else the
        last step, which gives x0_hat, is a part of the error.
    n : samples.   seed : of their start.

    The error is the median over the samples of the distance to the solution of (24), in float64: a mean is ruled by the
    few samples that pass between modes. The solution is a run of single-step DPM-Solver of order 3 with 8 times the
    steps of the finest, at least 1024, evenly spaced in log-SNR. Returns a ConvergenceTable of rows (sampler, order,
    measured_order, steps, error, calls), where calls counts the questions to the denoiser.

    Multistep methods start with lower orders and come near theirs on fine grids only. Source: theory 12.

    >>> import scorefield as sf
    >>> exact = sf.GaussianMixture([[-1.0], [1.0]], stds=0.5).denoiser(sf.schedules.VP())
    >>> table = convergence(exact, ["ddim", "heun"], steps=(32, 64), grid=sf.grids.LogSNR(t_end=0.01), n=64)
    >>> [round(row.measured_order) for row in table], table[1].calls
    ([1, 2], (64, 128))
    """
    from scorefield._denoiser import BaseDenoiser

    if not isinstance(denoiser, BaseDenoiser):
        raise TypeError(f"denoiser must be a Denoiser or a model, got {type(denoiser).__name__}")
    asked = [samplers] if isinstance(samplers, Sampler | str) else samplers
    methods = [_deterministic(sampler) for sampler in asked]
    counts = _rising(steps)
    times = [DPMSolver(3)._times(denoiser.schedule, s, grid) for s in counts]
    first, last = float(times[0][0]), float(times[0][-1])
    if any((t[0], t[-1]) != (first, last) for t in times):
        raise ValueError(f"grid must begin and end at the same times whatever the steps; {grid!r} does not")
    x_T = denoiser.schedule.sigma(first) * normal((integer(n, "n", 1), *denoiser.shape), seed=seed, dtype=np.float64)
    fine = solution_times(denoiser.schedule, first, last, max(LEAST, FINER * counts[-1]))
    truth, _ = _run(denoiser, DPMSolver(3), x_T, fine)
    rows = []
    for method in methods:
        ends, calls = zip(*(_run(denoiser, method, x_T, t) for t in times), strict=True)
        errors = tuple(float(np.median(np.linalg.norm(x - truth, axis=1))) for x in ends)
        rows.append(ConvergenceRow(method, method._claim, counts, errors, calls))
    return ConvergenceTable(rows)


def _rising(steps: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(steps, Iterable):
        raise TypeError(f"steps must be rising numbers of steps, such as (16, 32, 64), got {steps!r}")
    counts = tuple(integer(s, "steps", 1) for s in steps)
    if not counts or any(b <= a for a, b in pairwise(counts)):
        raise ValueError(f"steps must be one or more rising numbers of steps, got {list(counts)}")
    return counts


def _deterministic(sampler: Sampler | str) -> Sampler:
    method = resolve_sampler(sampler)
    if method.stochastic:
        raise ValueError(f"{method!r} draws noise: it follows no path whose error could be measured; leave it out")
    return method


def solution_times(schedule: Schedule, first: float, last: float, steps: int) -> Array:
    """Return times from `first` to `last` in so many even steps of log-SNR, and one more where it is infinite."""
    heard = float(schedule.alpha(first)) > _core.grids.least_signal * float(schedule.sigma(first))
    low = float(schedule.half_log_snr(first)) if heard else -math.inf
    high = float(schedule.half_log_snr(last if last > 0 else schedule.t_min))
    even = np.linspace(max(low, FIRST), high, steps + 1)
    times = np.array(schedule.time_of(log_snr=2 * even))
    times[-1] = last if last > 0 else schedule.t_min
    if low >= FIRST:
        times[0] = first
    return np.concatenate([[] if low >= FIRST else [first], times, [] if last > 0 else [0.0]])


def _run(denoiser: BaseDenoiser, sampler: Sampler, x_T: Array, times: Array) -> tuple[Array, int]:
    """The state at the end of a run, (n, D) float64, and the number of questions to the denoiser."""
    plan = denoiser._plan(None, None, None, None, 1.0, sampler, None, times, x_T, None, 0, 0)
    counted = _core.CountingDenoiser(plan.make(0, plan.n))
    loop = Loop(replace(plan, make=lambda begin, end: counted, times=times, dtype=np.dtype(np.float64)))
    for _ in loop.stops(loop.steps):
        pass
    return loop.x.reshape(plan.n, -1), counted.calls
