"""What every denoiser (x_t, t) -> x0_hat can do, whatever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scorefield import _core
from scorefield._arrays import Array, integer, real_array, seed_number
from scorefield._progress import Progress, reporting
from scorefield.conditions import Condition, Conditions, read_conditions
from scorefield.conversion import convert
from scorefield.errors import NonFiniteError
from scorefield.grids import Explicit, Grid, resolve_times
from scorefield.guidance import Guidance, resolve_guidance
from scorefield.likelihood import Likelihood
from scorefield.samplers import Sampler, inversion, resolve_sampler
from scorefield.sampling import SECONDS_BETWEEN_STOPS, Clip, Loop, Plan, Recorder, checked_start, clipped, run_dtype
from scorefield.schedules import Schedule
from scorefield.schedules.diagnosis import warn_of_start
from scorefield.trajectory import SampleEvent, Trajectory

Callback = Callable[[SampleEvent], object]
LARGEST_ANSWER = 1 << 40  # numbers


class BaseDenoiser(Likelihood, ABC):
    """What every denoiser can do: answer at (x_t, t), sample, and map data to noise.

    A subclass says `schedule`, `shape`, `_bind`, and where the defaults do not fit `_conditions`, `_dtype`, `_decode`.
    """

    # ------------------------------------------------------------------ given by subclasses

    @property
    @abstractmethod
    def schedule(self) -> Schedule:
        """The noise schedule, a Schedule."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, a tuple."""

    @abstractmethod
    def _bind(self, condition: Condition) -> Any:
        """The core's denoiser for the samples of this condition."""

    @property
    def _conditions(self) -> Conditions:
        """What the model can be told."""
        return Conditions()

    @property
    def _dtype(self) -> np.dtype[Any] | None:
        """The dtype of results; None: that of x_T or x_t."""
        return None

    @property
    def _learns_variance(self) -> bool:
        """Whether the core's denoiser knows the variance of a reverse step."""
        return False

    def _in_float64(self, x_t: Array, t: Array, condition: Condition) -> bool:
        """Whether answers at rows x_t (n, D), t (n,) come in float64."""
        return True

    def _decode(self, x0: Array) -> Array:
        """x0 as the process knows it -> x0 in the units of the data. Affine for each number."""
        return x0

    def _encode(self, x0: Array) -> Array:
        """The inverse of `_decode`."""
        shift = self._decode(np.zeros((1, *self.shape)))
        scaled: Array = (x0 - shift) / (self._decode(np.ones((1, *self.shape))) - shift)
        return scaled

    # ------------------------------------------------------------------ answers at (x_t, t)

    def denoise(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Estimate the data: E[x0 | x_t], theory (13).

        x_t : (n, *shape).   t : one time or (n,), in 0..t_max; None is t_min.
        labels, condition, text : for all rows, or one entry each.
        Returns (n, *shape) in the units of the data, in the dtype of x_t (networks: float32).
        """
        x0, _, _ = self._answer(x_t, t, labels, condition, text)
        return self._decode(x0.astype(self._out(x_t)))

    def eps(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Estimate the noise in x_t, theory (9). Arguments and shape as `denoise`; ValueError at t = 0."""
        return self._as("eps", x_t, t, labels, condition, text)

    def v(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Estimate v = alpha eps - sigma x0, theory (11). Arguments and shape as `denoise`; ValueError at t = 0."""
        return self._as("v", x_t, t, labels, condition, text)

    def flow(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Estimate the velocity alpha' x0 + sigma' eps of the probability-flow ODE, theory (12), (24). As `denoise`."""
        return self._as("flow", x_t, t, labels, condition, text)

    def score(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Estimate the score grad log p_t(x_t), theory (10). Arguments and shape as `denoise`.

        At t = 0 only for denoisers that know it without x0_hat (an exact mixture); ValueError or NonFiniteError else.
        """
        x, times, bound = self._ask(x_t, t, labels, condition, text)
        s = bound.score(self.schedule._core, x, times, 0)
        return self._shaped(_finite(s, "score", times)).astype(self._out(x_t))

    def vjp(
        self,
        x_t: ArrayLike,
        t: ArrayLike | None,
        c: ArrayLike,
        *,
        labels: Any = None,
        condition: Any = None,
        text: Any = None,
    ) -> Array:
        """Multiply by the transposed Jacobian: (d x0_hat / d x_t)^T c, for guidance and divergences.

        x_t, c : (n, *shape).   t, labels, condition, text : as `denoise`.   Returns (n, *shape).
        A wrapped callable is differenced centrally: two calls for each number of a sample.
        """
        x, times, bound = self._ask(x_t, t, labels, condition, text)
        weights = real_array(c, "c", shape=(len(x), *self.shape), dtype=np.float64)
        slope = self._decode(np.ones((1, *self.shape))) - self._decode(np.zeros((1, *self.shape)))
        weights = np.ascontiguousarray(weights * slope, np.float64).reshape(len(x), -1)
        if not isinstance(bound, _core.SmoothDenoiser):
            bound = _core.Differenced(bound, 1e-5 if self._out(x_t) == np.float64 else 1e-2)
        dx = bound.pullback(self.schedule._core, x, times, weights, 0)
        return self._shaped(_finite(dx, "derivative", times)).astype(self._out(x_t))

    # ------------------------------------------------------------------ sampling

    def sample(
        self,
        n: int | None = None,
        labels: Any = None,
        *,
        condition: Any = None,
        text: Any = None,
        guidance: float | Guidance = 1.0,
        sampler: Sampler | str = "dpm_solver_pp",
        steps: int | None = None,
        grid: Grid | str | ArrayLike | None = None,
        x_T: ArrayLike | None = None,
        clip: Clip = None,
        seed: int | None = 0,
        start: int = 0,
        trajectory: bool = False,
        every: int = 1,
        callback: Callback | None = None,
        progress: Progress = None,
    ) -> Any:
        """Draw from the model.

        n : number of samples; may follow from labels, condition, text or x_T.
        labels, condition, text : for all samples, or sequences, of which row i takes entry (start + i) mod length;
        None or -1 among labels: that sample is unconditional.
        guidance : strength w of the condition: 0 unconditional, 1 conditional, above 1 stronger; or of `sf.guidance`.
        sampler : object or name.   steps : of the grid; None: T for `Ancestral` (1000 if time is continuous) and for
        ladders of sigmas, else 50.
        grid : times of the run: object, name, or an array of falling times; None: what suits the schedule.
        x_T : (n, *shape) the state at grid[0]; None: sigma(grid[0]) times the numbers of `sf.normal(seed=, start=)`.
        clip : hold x0_hat in [-c, c], in (lo, hi), or by "dynamic" thresholding (Imagen) or a `DynamicThreshold`,
        in the units of the data.
        seed, start : row i depends on (seed, start + i) alone: ``sample(100)`` is ``sample(60)`` followed by
        ``sample(40, start=60)``, bit for bit, on any number of threads.
        trajectory : return the path.   every : steps between kept states and callbacks; the last is always among them.
        callback : called with a `SampleEvent`; returning True ends the run tidily with the state as it is.
        progress : None: a bar where somebody looks; True, False, or a function of (done, total).

        Returns (n, *shape), float32 (callables and mixtures: the dtype of x_T); a `Trajectory` if asked.
        Raises ValueError for arguments that do not fit, NonFiniteError naming the step where the model answers NaN,
        KeyboardInterrupt at the next step.

        >>> import scorefield as sf
        >>> truth = sf.GaussianMixture([[-2.0, 0.0], [2.0, 0.0]], stds=0.5)
        >>> truth.denoiser(sf.schedules.VP()).sample(3, steps=20, seed=1).shape
        (3, 2)
        """
        plan = self._plan(n, labels, condition, text, guidance, sampler, steps, grid, x_T, clip, seed, start)
        every = integer(every, "every", 1)
        if trajectory or callback is not None:
            return self._watched(plan, every, callback, progress, trajectory=trajectory)
        parts, ends = list(plan.parts()), list[Array]()
        with reporting(progress, plan.steps * len(parts), what="sampling") as report:
            for i, part in enumerate(parts):
                loop = Loop(part)
                for done in loop.stops(plan.steps, each=callable(progress)):
                    report(i * plan.steps + done)
                ends.append(loop.x)
        return self._decode(ends[0] if len(ends) == 1 else np.concatenate(ends))

    def sample_iter(
        self,
        n: int | None = None,
        labels: Any = None,
        *,
        condition: Any = None,
        text: Any = None,
        guidance: float | Guidance = 1.0,
        sampler: Sampler | str = "dpm_solver_pp",
        steps: int | None = None,
        grid: Grid | str | ArrayLike | None = None,
        x_T: ArrayLike | None = None,
        clip: Clip = None,
        seed: int | None = 0,
        start: int = 0,
        every: int = 1,
        progress: Progress = False,
    ) -> Iterator[SampleEvent]:
        """Draw from the model step by step: `sample` as an iterator. Stopping is a break.

        Arguments as `sample`. Yields a `SampleEvent` (index, t, s, x, x0) after every `every` steps and after the last.

        >>> import scorefield as sf
        >>> exact = sf.GaussianMixture([[0.0]], stds=1.0).denoiser(sf.schedules.VP())
        >>> [event.index for event in exact.sample_iter(2, steps=3)]
        [0, 1, 2]
        """
        plan = self._plan(n, labels, condition, text, guidance, sampler, steps, grid, x_T, clip, seed, start)
        return _events(Loop(plan), integer(every, "every", 1), progress)

    def invert(
        self,
        x: ArrayLike,
        *,
        sampler: Sampler | str = "ddim",
        steps: int | None = None,
        grid: Grid | str | ArrayLike | None = None,
        labels: Any = None,
        condition: Any = None,
        text: Any = None,
        progress: Progress = None,
    ) -> Array:
        """Map data to the noise that makes them: DDIM upwards (Song, Meng and Ermon 2021, section 4.3; theory 7).

        x : (n, *shape) data.   steps : 50 by default.   grid : as for `sample`.
        sampler : "ddim", or a `ProbabilityFlow`, which solves the ODE to its tolerance.
        Returns x_T, (n, *shape): ``sample(x_T=..., sampler=...)`` with the same sampler and grid gives x back, for DDIM
        up to the errors of both runs, which fall as the steps grow.
        """
        upwards, default = inversion(resolve_sampler(sampler))
        start_dtype = self._out(x)
        x0 = real_array(x, "x", shape=("n", *self.shape), dtype=start_dtype, images=True)
        times = resolve_times(grid, self.schedule, steps, min(default, self.schedule.T or default))
        given = read_conditions(self._conditions, labels, condition, text)
        bound = self._bind(given.spread(len(x0), 0, start_dtype, cycle=False))
        state = np.ascontiguousarray(self._encode(x0).reshape(len(x0), -1), dtype=np.float64)
        rising = np.ascontiguousarray(times[::-1])
        run = _core.Sampling(upwards, bound, self.schedule._core, rising, state, 0, 0)
        with reporting(progress, run.count, what="inverting") as report:
            while run.index < run.count:
                run.advance(1 if callable(progress) else run.count, SECONDS_BETWEEN_STOPS)
                report(run.index)
        return self._shaped(state).astype(start_dtype)

    # ------------------------------------------------------------------ inside

    def _ask(self, x_t: ArrayLike, t: Any, labels: Any, condition: Any, text: Any) -> tuple[Array, Array, Any]:
        """Rows, times and the core's denoiser of a question."""
        x = real_array(x_t, "x_t", shape=("n", *self.shape), dtype=np.float64, images=True).reshape(-1, self._size)
        times = self.schedule._row_times(self.schedule.t_min if t is None else t, len(x))
        given = read_conditions(self._conditions, labels, condition, text)
        return x, np.array(times), self._bind(given.spread(len(x), 0, self._out(x_t), cycle=False))

    def _answer(self, x_t: ArrayLike, t: Any, labels: Any, condition: Any, text: Any) -> tuple[Array, Array, Array]:
        """x0_hat and x_t as float64 (n, *shape), and the times."""
        x, times, bound = self._ask(x_t, t, labels, condition, text)
        x0 = _finite(bound.denoise(self.schedule._core, x, times, 0), "x0_hat", times)
        return self._shaped(x0), self._shaped(x), times

    def _as(self, kind: str, x_t: ArrayLike, t: Any, labels: Any, condition: Any, text: Any) -> Array:
        x0, x, times = self._answer(x_t, t, labels, condition, text)
        at = times if len(times) == len(x) else float(times[0])
        return convert(x0, x, at, self.schedule, source="x0", target=kind).astype(self._out(x_t))

    def _plan(
        self,
        n: Any,
        labels: Any,
        condition: Any,
        text: Any,
        strength: float | Guidance,
        method: Sampler | str,
        steps: Any,
        grid: Any,
        x_T: Any,
        clip: Clip,
        seed: Any,
        start: Any,
    ) -> Plan:
        """Check everything that a run needs, before anything runs. Arguments in the order of `sample`."""
        given = read_conditions(self._conditions, labels, condition, text)
        guidance, sampler = resolve_guidance(strength), resolve_sampler(method)
        if guidance.needs_condition and not given.anything:
            raise ValueError(
                f"{guidance} has nothing to be guided by: give labels, condition or text, or leave guidance at 1"
            )
        state, first = checked_start(x_T, self.shape), integer(start, "start", 0, 2**62)
        dtype = self._dtype or (np.dtype(np.float32) if state is None else state.dtype)
        count = _count(n, given.lengths, None if state is None else len(state))
        if count * self._size > LARGEST_ANSWER:
            raise ValueError(f"n={count} samples of {self._size} numbers are too many for one call; draw them in parts")

        def make(begin: int, end: int) -> Any:
            spread = given.spread(end - begin, first + begin, dtype, cycle=True)
            bound = guidance._join(lambda: self._bind(spread), lambda: self._bind(spread.dropped()))
            bound = grid._tell(bound) if isinstance(grid, Explicit) else bound
            return clipped(bound, clip, self._encode, self.shape)

        make(0, 1)  # what cannot be bound or clipped is refused now
        times = sampler._times(self.schedule, steps, grid)
        if state is None:
            warn_of_start(self.schedule, times)
        decode, number = self._decode, seed_number(seed)
        return Plan(sampler, make, self.schedule, times, count, self.shape, state, dtype, decode, number, first)

    def _watched(
        self, plan: Plan, every: int, callback: Callback | None, progress: Progress, *, trajectory: bool
    ) -> Array | Trajectory:
        """A run whose steps somebody sees."""
        loop = Loop(plan)
        recorder = Recorder(plan, loop.x) if trajectory else None
        for event in _events(loop, every, progress):
            if recorder is not None:
                recorder.keep(event)
            if callback is not None and callback(event) is True:
                break
        return self._decode(loop.x) if recorder is None else recorder.trajectory()

    def _out(self, x: ArrayLike) -> np.dtype[Any]:
        return self._dtype or run_dtype(x)

    @property
    def _size(self) -> int:
        return int(np.prod(self.shape))

    def _shaped(self, rows: Array) -> Array:
        return rows.reshape(len(rows), *self.shape)


def _events(loop: Loop, every: int, progress: Progress) -> Iterator[SampleEvent]:
    with reporting(progress, loop.steps, what="sampling") as report:
        for done in loop.stops(every, each=callable(progress)):
            report(done)
            if done % every == 0 or done == loop.steps:
                yield loop.event


def _finite(answer: Array, what: str, times: Array) -> Array:
    bad = ~np.isfinite(answer).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        t = times[row if len(times) == len(answer) else 0]
        count = f"{int(bad.sum())} of {len(answer)} rows"
        raise NonFiniteError(f"the {what} of {count} is not finite, first in row {row}, at t = {t:g}")
    return answer


def _count(n: Any, lengths: dict[str, int], states: int | None) -> int:
    """The number of samples: given, or that of x_T or of the sequences."""
    if states is not None:
        if n is not None and integer(n, "n", 1) != states:
            raise ValueError(f"n={n}, but x_T holds {states} samples; leave out n")
        return states
    if n is not None:
        return integer(n, "n", 1)
    if not lengths:
        raise ValueError("how many samples? give n, or labels, condition, text or x_T with one entry for each")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"give n: it does not follow from sequences of different lengths {lengths}")
    return next(iter(lengths.values()))
