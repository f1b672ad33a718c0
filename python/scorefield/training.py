"""Training: what a fit is told, and the loop of events around the core's trainer.

The core makes whole steps and knows no files, callbacks or clocks; here a fit is cut at events and checkpoints, which
cannot change its result: every random number is keyed by the seed and the number of the step.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield._progress import Progress, Report, reporting
from scorefield.errors import NonFiniteError
from scorefield.history import BANDS, Event
from scorefield.learner import Learner, Trainer
from scorefield.run import Run

Array = NDArray[Any]
State = dict[str, Array]
CHUNK_SECONDS = 0.2  #: between two updates of the progress bar

log = logging.getLogger("scorefield")


@dataclass(frozen=True)
class Data:
    """Training rows, checked and as the core takes them.

    x : float32 (n, *shape).   labels : int64 (n,), -1 = none.   condition, noise : float32 (n, ...).
    weight : float64 (n,), how often a row is drawn relative to the others.
    """

    x: Array
    labels: Array | None = None
    condition: Array | None = None
    noise: Array | None = None
    weight: Array | None = None

    def fingerprint(self) -> str:
        """Return the SHA-256 of all arrays with their names, types and shapes, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for entry in fields(self):
            array = getattr(self, entry.name)
            if array is not None:
                digest.update(f"{entry.name} {array.dtype.str} {array.shape};".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Settings:
    """How a fit trains, whatever the model; the words of `fit`."""

    batch_size: int
    optimizer: Any
    loss: Any
    ema: float
    p_uncond: float
    condition_noise: float
    shards: int
    seed: int

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values; two fits with equal descriptions and data make the same steps."""
        words = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        known = {"optimizer": repr(self.optimizer), "loss": repr(self.loss), "times": self.loss.times}
        return words | known | {"seed": str(self.seed)}


@dataclass(frozen=True)
class Plan:
    """From where to where a fit goes, and where it stops on the way. Steps count over the model's whole life."""

    begin: int
    end: int
    every: int = 50
    run: Run | None = None
    progress: Progress = None

    def next_stop(self, step: int) -> int:
        """Return the next step at which there is an event or a checkpoint."""
        stops = [self.end, (step // self.every + 1) * self.every]
        return min(stops if self.run is None else [*stops, self.run.next(step)])

    def is_event(self, step: int) -> bool:
        """Tell whether `step` ends with an event."""
        return step % self.every == 0 or step == self.end

    def is_checkpoint(self, step: int) -> bool:
        """Tell whether a checkpoint is due at `step`."""
        return self.run is not None and step % self.run.every == 0


@dataclass
class Tally:
    """Means since the last event."""

    losses: list[Array] = field(default_factory=list)
    norms: list[Array] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, loss: Array, norm: Array, seconds: float) -> None:
        """Add some steps."""
        self.losses.append(loss)
        self.norms.append(norm)
        self.seconds += seconds

    @property
    def steps(self) -> int:
        """Steps added so far."""
        return sum(len(part) for part in self.losses)

    def event(self, step: int, batch_size: int, held_out: tuple[float, Array] | None) -> Event:
        """Return the event that ends these steps."""
        loss, bands = held_out or (float("nan"), np.full(BANDS, np.nan))
        return Event(
            step=step,
            loss=float(np.concatenate(self.losses).mean()),
            validation_loss=loss,
            bands=bands,
            grad_norm=float(np.concatenate(self.norms).mean()),
            samples_per_s=self.steps * batch_size / max(self.seconds, 1e-9),
        )

    def text(self, batch_size: int, last: Event | None) -> str:
        """Return what stands behind the progress bar."""
        held_out = "" if last is None or np.isnan(last.validation_loss) else f"held-out {last.validation_loss:.4f}  "
        rate = self.steps * batch_size / max(self.seconds, 1e-9)
        return f"loss {np.concatenate(self.losses).mean():.4f}  {held_out}{rate:.0f} samples/s"


@dataclass
class Session:
    """One fit under way: an iterator of events, closed tidily whatever ends it."""

    learner: Learner
    trainer: Trainer
    plan: Plan
    batch_size: int
    lr: float
    held_out: Callable[[Trainer], tuple[float, Array]] | None
    save: Callable[[Path], None]
    _saved: int = -1

    def events(self) -> Iterator[Event]:
        """Make the steps of the plan; yield an event at every stop that is one.

        However it ends (done, closed, Ctrl-C, an error) the model is that of the last whole step, and a run is saved.
        A loss that is not finite takes the model back to the last event.
        """
        with reporting(self.plan.progress, self.plan.end, start=self.plan.begin) as report:
            try:
                yield from self._steps(report)
            except NonFiniteError as error:
                step = self.trainer.rollback()
                raise NonFiniteError(f"{error}; the model is back at step {step}; lower lr ({self.lr:g})") from None
            finally:
                self.learner.take_back(self.trainer)
                self._checkpoint()

    def _steps(self, report: Report) -> Iterator[Event]:
        last, tally = None, Tally()
        self.trainer.snapshot()
        while self.trainer.step < self.plan.end:
            self._advance(
                self.plan.next_stop(self.trainer.step), tally, lambda text: report(self.trainer.step, text), last
            )
            step = self.trainer.step
            self.trainer.snapshot()
            if self.plan.is_event(step):
                held_out = None if self.held_out is None else self.held_out(self.trainer)
                last, tally = tally.event(step, self.batch_size, held_out), Tally()
                self.learner.take_back(self.trainer, last)
            if self.plan.is_checkpoint(step):
                self.learner.take_back(self.trainer)
                self._checkpoint()
            if self.plan.is_event(step):
                assert last is not None
                yield last

    def _advance(self, stop: int, tally: Tally, report: Callable[[str], None], last: Event | None) -> None:
        """Train up to step `stop` in pieces of about CHUNK_SECONDS, reporting after each."""
        pace = 1.0
        while self.trainer.step < stop:
            steps = min(stop - self.trainer.step, max(1, int(CHUNK_SECONDS * pace)))
            start = time.perf_counter()
            loss, norm = self.trainer.run(steps)
            seconds = time.perf_counter() - start
            tally.add(loss, norm, seconds)
            pace = steps / max(seconds, 1e-9)
            report(tally.text(self.batch_size, last))

    def _checkpoint(self) -> None:
        step = self.learner.step
        if self.plan.run is not None and step > self._saved:
            self.plan.run.save(step, self.save)
            self._saved = step


def differences(there: Any, here: Any, name: str = "") -> list[str]:
    """Return what differs between two trees of JSON values, as lines "batch_size: 64 there, 128 here"."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = sorted(set(there) | set(here))
        inner = [differences(there.get(key), here.get(key), f"{name}.{key}" if name else key) for key in keys]
        return [line for lines in inner for line in lines]
    return [] if there == here else [f"{name}: {_brief(there)} there, {_brief(here)} here"]


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
