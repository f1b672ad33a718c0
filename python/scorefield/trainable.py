"""What every model with a network that learns is as an object: weights, step, history, copies, files, display."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from scorefield import checkpoint, display, saving
from scorefield._arrays import seed_number
from scorefield.history import History
from scorefield.learner import Learner
from scorefield.networks import Network
from scorefield.training import Data, Settings

Array = NDArray[Any]


class Trainable(ABC):
    """A network in training and the words that all models with one share. `fitting` does the training.

    A subclass makes `_learner`, says `_identity` and `_trainer`, and where the defaults do not fit the others.
    """

    _learner: Learner

    # ------------------------------------------------------------------ given by subclasses

    @abstractmethod
    def _identity(self) -> dict[str, Any]:
        """Return what the model is, as JSON values: what a run must not change."""

    @abstractmethod
    def _trainer(self, settings: Settings) -> Any:
        """Return a core trainer for the network, without data."""

    @abstractmethod
    def _facts(self) -> list[str]:
        """Return what the display tells besides network, schedule and training."""

    def _learn_units(self, data: Data) -> None:  # noqa: B027 - most have none
        """Learn the scale of the data, if the model has one to learn."""

    def _units(self, data: Data) -> Data:
        """Return the data as the network sees them."""
        return data

    def _content(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return (configuration, tensors) of a file."""
        config, tensors = saving.content(self._learner.stage)
        return {**self._identity(), **config}, tensors

    def _become(self, other: Self) -> None:
        """Take over everything that training changes."""
        self._learner.become(other._learner.stage)

    # ------------------------------------------------------------------ shared

    @property
    def net(self) -> Network:
        """The network; ``net.theta`` are the weights of the last step, not their average."""
        net: Network = self._learner.net
        return net

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.net.shape)

    @property
    def step(self) -> int:
        """Training steps made so far."""
        return self._learner.step

    @property
    def history(self) -> History:
        """What training reported: arrays by name, an entry per event."""
        return self._learner.history

    def copy(self) -> Self:
        """Return a model with weights, optimiser state, step and history of its own."""
        other = self._twin()
        other._learner = self._learner.copy()
        return other

    def _twin(self) -> Self:
        """Return another object with everything in common."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def reset(self, seed: int = 0) -> Self:
        """Forget all training and draw new first weights; returns the model.   seed : as the network's ``seed``."""
        self._learner.restart(seed_number(seed))
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, with all that training needs to go on, to one .safetensors file; `scorefield.load` reads it.

        The file replaces an older one in one step, when it is on the disk. ValueError for a schedule or a scale that
        only this program knows. OSError of the system is passed on, with the older file untouched.
        """
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be the name of a file, got {path!r}")
        checkpoint.save(Path(os.fspath(path)), *self._content())

    def __reduce__(self) -> tuple[Any, ...]:
        return checkpoint.from_bytes, (checkpoint.pack(*self._content()),)

    def __str__(self) -> str:
        return display.as_text(self)

    def _repr_html_(self) -> str:
        return display.as_html(self)
