"""A classifier: p(label given x), for judging samples, or p(label given x_t, t), for guiding them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorefield import _core, fitting, saving, specs
from scorefield._arrays import label_array, real_array, seed_number
from scorefield._progress import Progress
from scorefield.checkpoint import Reader, guarded
from scorefield.history import Event
from scorefield.learner import Learner
from scorefield.networks import Network
from scorefield.run import Run
from scorefield.schedules import Schedule, resolve_schedule
from scorefield.trainable import Trainable
from scorefield.training import Data, Settings

Array = NDArray[Any]
ENGINE = "fast"


class CrossEntropy:
    """-log p(label given x_t): the loss of classifiers."""

    times = "uniform"

    def __repr__(self) -> str:
        return "CrossEntropy()"


class Classifier(Trainable):
    """A network with one output per class, trained by cross-entropy.

    net : for instance ``sf.Encoder((8, 8, 1), widths=(32, 64), out=10)``; as many classes as outputs.
    schedule : None: it sees the data as they are. A schedule (object or name): it also learns to read noised data,
    p(y given x_t), for guidance (theory 27), and takes times t.

    Answers use an average of the weights over the training steps, as those of `Diffusion` do.

    Example
    -------
    >>> import scorefield as sf
    >>> x, labels = sf.datasets.digits("train")
    >>> judge = sf.Classifier(sf.MLP((8, 8, 1), widths=(32,), out=10)).fit(x, labels, steps=20, progress=False)
    >>> judge.predict(x[:3]).shape
    (3,)

    Source: Dhariwal and Nichol 2021, section 4.
    """

    def __init__(self, net: Network, schedule: Schedule | str | None = None):
        if not isinstance(net, Network):
            raise TypeError(f"net must be a network such as sf.Encoder, got {net!r}")
        if len(net.output_shape) != 1 or net.output_shape[0] < 2:
            raise ValueError(
                f"a classifier needs a network with out=number of classes >= 2, got outputs {net.output_shape}"
            )
        self._learner = Learner(net)
        self.schedule = None if schedule is None else resolve_schedule(schedule)
        self.classes = int(net.output_shape[0])

    def fit(
        self,
        x: ArrayLike,
        labels: Any,
        *,
        steps: int,
        batch_size: int = 128,
        lr: float | None = None,
        optimizer: Any = "adam",
        ema: float = 0.999,
        sample_weight: ArrayLike | str | None = None,
        validation: Any = None,
        run: Run | str | os.PathLike[str] | None = None,
        every: int = 50,
        shards: int | None = None,
        seed: int | None = 0,
        callback: Callable[[Event], object] | None = None,
        progress: Progress = None,
    ) -> Classifier:
        """Train for `steps` steps, going on from where the model stands; returns the model.

        x : (n, *shape).   labels : (n,) integers in 0..classes - 1.   validation : (x, labels).
        The other words, Ctrl-C and errors as in `Diffusion.fit`.
        """
        events = self.fit_iter(
            x,
            labels,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            optimizer=optimizer,
            ema=ema,
            sample_weight=sample_weight,
            validation=validation,
            run=run,
            every=every,
            shards=shards,
            seed=seed,
            progress=progress,
        )
        fitting.finish(events, callback)
        return self

    def fit_iter(
        self,
        x: ArrayLike,
        labels: Any,
        *,
        steps: int,
        batch_size: int = 128,
        lr: float | None = None,
        optimizer: Any = "adam",
        ema: float = 0.999,
        sample_weight: ArrayLike | str | None = None,
        validation: Any = None,
        run: Run | str | os.PathLike[str] | None = None,
        every: int = 50,
        shards: int | None = None,
        seed: int | None = 0,
        progress: Progress = None,
    ) -> Iterator[Event]:
        """Train as `fit` does, as a generator of events; see `Diffusion.fit_iter`."""
        data = self._data(x, labels, sample_weight)
        held_out = None if validation is None else self._held_out(validation)
        seed = seed_number(seed)

        def settings(begin: int) -> Settings:
            return fitting.settings_of(
                steps=steps,
                begin=begin,
                batch_size=batch_size,
                lr=lr,
                loss=CrossEntropy(),
                optimizer=optimizer,
                ema=ema,
                shards=shards,
                seed=seed,
            )

        return fitting.train(self, data, held_out, settings, steps=steps, every=every, run=run, progress=progress)

    def _data(self, x: Any, labels: Any, sample_weight: Any = None) -> Data:
        x = fitting.rows(x, self.shape)
        known = label_array(labels, n=len(x), classes=self.classes)
        if (known < 0).any():
            missing = int((known < 0).sum())
            raise ValueError(
                f"labels: {missing} rows have none (None or -1); a classifier learns from labelled rows only"
            )
        return Data(x, known, weight=fitting.weights_of_rows(sample_weight, known, len(x)))

    def _held_out(self, validation: Any) -> Data:
        if not isinstance(validation, tuple) or len(validation) != 2:
            raise ValueError("validation must be (x, labels)")
        return self._data(*validation)

    # Answers.

    def log_prob(self, x: ArrayLike, t: ArrayLike = 0, labels: Any = None) -> Array:
        """Return log p(label given x_t): (n,) float32 for given labels, (n, classes) without.

        x : (n, *shape), noised to time t if the classifier has a schedule.   t : one time, or (n,).
        labels : an int or (n,) integers.
        """
        x, t = self._asked(x, t)
        log_p = log_softmax(self._logits(x, t))
        if labels is None:
            return log_p
        chosen: Array = log_p[np.arange(len(x)), self._known(labels, len(x))]
        return chosen

    def predict_proba(self, x: ArrayLike, t: ArrayLike = 0) -> Array:
        """Return p(label given x_t), (n, classes) float32; rows sum to 1. Arguments as in `log_prob`."""
        return np.exp(self.log_prob(x, t))

    def predict(self, x: ArrayLike, t: ArrayLike = 0) -> Array:
        """Return the likeliest label, (n,) int64. Arguments as in `log_prob`."""
        found: Array = self._logits(*self._asked(x, t)).argmax(axis=1).astype(np.int64)
        return found

    def accuracy(self, x: ArrayLike, labels: Any, t: ArrayLike = 0) -> float:
        """Return the share of rows whose likeliest label is the given one, in [0, 1]."""
        found = self.predict(x, t)
        return float((found == self._known(labels, len(found))).mean())

    def gradient(self, x_t: ArrayLike, t: ArrayLike = 0, labels: Any = None) -> Array:
        """Return d log p(label given x_t) / d x_t, like x_t, float32: what guidance adds to the score (27).

        labels : an int or (n,) integers; a row without label (None, -1) has gradient 0.
        """
        x, t = self._asked(x_t, t)
        if labels is None:
            raise ValueError("labels must say which class each row should move towards")
        wanted = label_array(labels, n=len(x), classes=self.classes)
        parts = [self._gradient(x[i : i + PART], t[i : i + PART], wanted[i : i + PART]) for i in range(0, len(x), PART)]
        return np.concatenate(parts)

    def _asked(self, x: ArrayLike, t: ArrayLike) -> tuple[Array, Array]:
        x = fitting.rows(x, self.shape)
        times = real_array(t, "t", dtype=np.float64)
        if times.ndim and times.shape != (len(x),):
            raise ValueError(f"t must be one time or have shape ({len(x)},), got shape {times.shape}")
        if self.schedule is None:
            if times.any():
                raise ValueError("this classifier was made without a schedule and reads clean data only: t must be 0")
        else:
            self.schedule._times(times)
        return x, np.broadcast_to(times, len(x))

    def _known(self, labels: Any, n: int) -> Array:
        known = label_array(labels, n=n, classes=self.classes)
        if (known < 0).any():
            raise ValueError("labels must be given for every row here (no None, no -1)")
        return known

    def _heard(self, t: Array) -> tuple[Array, Array]:
        """Input scale and c_noise at times t, each (n,) float64."""
        if self.schedule is None:
            return np.ones_like(t), np.zeros_like(t)
        core, t = self.schedule._core, np.ascontiguousarray(t)
        return _core.c_in(core, t), _core.c_noise(core, t)

    def _logits(self, x: Array, t: Array) -> Array:
        scale, c_noise = self._heard(t)
        inputs = self.net._inputs(times_rows(x, scale), c_noise, None, None, None)
        y: Array = self.net._core.infer(self._learner.weights(average=True), inputs, ENGINE)
        return y

    def _gradient(self, x: Array, t: Array, labels: Array) -> Array:
        scale, c_noise = self._heard(t)
        weights = self._learner.weights(average=True)
        y, tape = self.net.forward(times_rows(x, scale), c_noise, theta=weights)
        dy = -np.exp(log_softmax(y))
        dy[np.arange(len(x)), labels] += 1
        dy[labels < 0] = 0
        dx, _ = self.net.backward(tape, dy)
        return times_rows(dx, scale)

    # The model as an object.

    def _identity(self) -> dict[str, Any]:
        schedule = None if self.schedule is None else specs.schedule_spec(self.schedule)
        return {"class": "Classifier", "network": specs.network_spec(self.net), "schedule": schedule}

    @classmethod
    def _read(cls, reader: Reader) -> Classifier:
        """Make the model that a file describes; FormatError for anything that is none."""
        given = reader.field("schedule", (dict, type(None)))
        net, schedule = specs.read_network(reader), None if given is None else specs.read_schedule(reader)
        model: Classifier = guarded(reader, "network", lambda: cls(net, schedule))
        model._learner.become(saving.read_stage(reader, net.num_parameters, schedule, {})[0])
        return model

    def _trainer(self, settings: Settings) -> Any:
        return _core.Trainer(
            self.net._core,
            ENGINE,
            self.net.theta,
            _core.CrossEntropy(None if self.schedule is None else self.schedule._core),
            settings.optimizer._bind(),
            ema=settings.ema,
            seed=settings.seed,
            batch_size=settings.batch_size,
            shards=settings.shards,
        )

    def __repr__(self) -> str:
        return f"Classifier({self.net!r}, {self.schedule})"

    def _facts(self) -> list[str]:
        return [f"{self.classes} classes"]


PART = 256  #: rows that a gradient holds in memory at once


def times_rows(x: Array, scale: Array) -> Array:
    """Return row i of x (n, ...) times scale[i], in x's type."""
    scaled: Array = x * scale.reshape(-1, *[1] * (x.ndim - 1))
    return scaled.astype(x.dtype)


def log_softmax(y: Array) -> Array:
    """Return log softmax of the rows of y (n, classes), float32."""
    wide: Array = y.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    log_p: Array = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return log_p.astype(np.float32)
