"""A network in training: weights and all that belongs to them, handed to the core's trainer and taken back as one."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from scorefield.history import Event, History

Array = NDArray[Any]
State = dict[str, Array]
AVERAGE = "ema.average"  #: what the core's trainer calls the average of the weights


class Trainer(Protocol):
    """What this module needs of `_core.Trainer`."""

    step: int
    theta: Array

    def run(self, steps: int) -> tuple[Array, Array]: ...  # noqa: D102
    def snapshot(self) -> None: ...  # noqa: D102
    def rollback(self) -> int: ...  # noqa: D102
    def state(self) -> State: ...  # noqa: D102
    def restore(self, step: int, theta: Array, state: State) -> None: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a training stands. Arrays are not written any more.

    theta : (P,) the weights of the last step.   step : steps made so far.
    state : arrays of the trainer by name: moments, average of the weights, counters.   history : what was reported.
    record : what the last fit was told, for files and runs.
    """

    theta: Array
    step: int = 0
    state: State = field(default_factory=dict)
    history: History = field(default_factory=History)
    record: dict[str, Any] | None = None


class Learner:
    """Owns a network and the stage of its training. Only `fit` changes it; any thread may ask meanwhile.

    Weights that somebody assigns to ``net.theta`` are kept, but average, moments and record belonged to others and end.
    """

    def __init__(self, net: Any):
        self.net = net
        self._stage = Stage(net._theta)
        self._busy = threading.Lock()
        self._swap = threading.Lock()  # of weights and stage together

    @property
    def stage(self) -> Stage:
        """Where the training stands, with the network's weights: never half of one step and half of the next."""
        with self._swap:
            if self._stage.theta is not self.net._theta:
                self._stage = replace(self._stage, theta=self.net._theta, state={}, record=None)
            return self._stage

    @property
    def step(self) -> int:
        """Steps made so far, an int."""
        return self._stage.step

    @property
    def history(self) -> History:
        """What training reported, a History."""
        return self._stage.history

    def weights(self, *, average: bool) -> Array:
        """Return the weights to sample with, (P,) float32: one object as long as they stay; not to be written."""
        stage = self.stage
        return stage.state.get(AVERAGE, stage.theta) if average else stage.theta

    def become(self, stage: Stage) -> None:
        """Take over a whole stage, weights included."""
        with self._swap:
            self.net._share(stage.theta)
            self._stage = replace(stage, theta=self.net._theta)

    def restart(self, seed: int) -> None:
        """Forget all training and draw new first weights."""
        with self.alone():
            self.become(Stage(self.net._core.init(seed)))

    def copy(self) -> Learner:
        """Return a learner with a network of its own."""
        other = Learner(copy.copy(self.net))
        other.become(self.stage)
        return other

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second fit away: RuntimeError."""
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("this model is being trained already; train a copy (model.copy()) or wait")
        try:
            yield
        finally:
            self._busy.release()

    def hand_over(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Give the trainer weights, step and state; `record` is what the fit was told.

        State of another optimiser is of no use to it: that part starts anew.
        """
        stage, fresh = self.stage, trainer.state()
        known = {
            name: array for name, array in stage.state.items() if name in fresh and array.shape == fresh[name].shape
        }
        trainer.restore(stage.step, stage.theta, {**fresh, **known})
        self.become(replace(stage, state={**fresh, **known}, record=record))

    def take_back(self, trainer: Trainer, event: Event | None = None) -> None:
        """Take everything over from the trainer, as it is after its last whole step, and the event that ends it."""
        events = self.history.events if event is None else (*self.history.events, event)
        self.become(Stage(trainer.theta, int(trainer.step), trainer.state(), History(events), self._stage.record))
