"""How a `Diffusion` learns: the words of `fit`, the loss on given data, and what the core is told of both."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import ArrayLike

from scorefield import _core, fitting
from scorefield._arrays import Array, integer, real_array, seed_number
from scorefield._denoiser import BaseDenoiser
from scorefield._progress import Progress
from scorefield.history import Event
from scorefield.losses import Hybrid, Loss, resolve_loss
from scorefield.optim import Adam
from scorefield.run import Run
from scorefield.scaling import Units, warn_of_units
from scorefield.trainable import Trainable
from scorefield.training import Data, Settings


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Loss on data at fixed times and noise.   loss : mean over the time range.   bands : (bins,) its equal parts."""

    loss: float
    bands: Array


class LearningDenoiser(Trainable, BaseDenoiser):
    """A denoiser whose network learns from data. `Diffusion` makes it, and answers with it.

    A subclass makes the attributes below, and what `Trainable` and `BaseDenoiser` ask for.
    """

    _prediction: str
    _engine: str
    _learn_variance: bool
    _average: bool  # whether the averaged weights answer
    _scale: Units
    _loss: Loss | None  # of the last fit

    def fit(
        self,
        x: ArrayLike,
        labels: Any = None,
        *,
        steps: int,
        condition: ArrayLike | None = None,
        batch_size: int = 128,
        lr: float | None = None,
        loss: Loss | str | None = None,
        optimizer: Any = "adam",
        ema: float = 0.999,
        p_uncond: float = 0.1,
        sample_weight: ArrayLike | str | None = None,
        noise: ArrayLike | None = None,
        condition_noise: float = 0.0,
        validation: Any = None,
        run: Run | str | os.PathLike[str] | None = None,
        every: int = 50,
        shards: int | None = None,
        seed: int | None = 0,
        callback: Callable[[Event], object] | None = None,
        progress: Progress = None,
    ) -> Self:
        """Train for `steps` steps, going on from where the model stands; returns the model.

        x : (n, *shape).   labels : (n,) int, None or -1 = no label.   condition : (n, *net.condition).
        lr : learning rate, 1e-3 if not given; belongs into the optimiser if that is an object.   ema : decay of the
        average of the weights, 0 = none.   p_uncond : share of rows whose label and condition are hidden, for
        guidance.
        sample_weight : (n,) or "balanced", how often rows are drawn.   noise : (n, *shape), the fixed noise of each
        row.
        condition_noise : deviation of noise added to `condition`.   validation : held-out x, or (x, labels), or
        (x, labels, condition): its loss at fixed times and noise stands in every event.
        run : a folder or `Run` for checkpoints; calling again finishes what is unfinished, bit for bit.
        every : steps between events, which are kept in `history`; callback(event) returning True ends the training
        tidily.
        shards : parts of a batch whose gradients are summed, by default from batch size and network; part of the
        result.
        seed : the same call gives the same weights; ``fit(steps=a).fit(steps=b)`` gives those of ``fit(steps=a + b)``.

        Ctrl-C leaves the model at its last whole step, saves the run, and raises KeyboardInterrupt. Raises
        NonFiniteError if loss or gradient are not finite, with the model back at the last event; RuntimeError if the
        model is being trained by another thread; ValueError or TypeError for data and settings that make no sense.
        Warns (DataWarning) if x is far from mean 0 and deviation 1 and has no scale.
        """
        events = self.fit_iter(
            x,
            labels,
            steps=steps,
            condition=condition,
            batch_size=batch_size,
            lr=lr,
            loss=loss,
            optimizer=optimizer,
            ema=ema,
            p_uncond=p_uncond,
            sample_weight=sample_weight,
            noise=noise,
            condition_noise=condition_noise,
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
        labels: Any = None,
        *,
        steps: int,
        condition: ArrayLike | None = None,
        batch_size: int = 128,
        lr: float | None = None,
        loss: Loss | str | None = None,
        optimizer: Any = "adam",
        ema: float = 0.999,
        p_uncond: float = 0.1,
        sample_weight: ArrayLike | str | None = None,
        noise: ArrayLike | None = None,
        condition_noise: float = 0.0,
        validation: Any = None,
        run: Run | str | os.PathLike[str] | None = None,
        every: int = 50,
        shards: int | None = None,
        seed: int | None = 0,
        progress: Progress = None,
    ) -> Iterator[Event]:
        """Train as `fit` does, as a generator of events: the caller plots, stops by `break`, and goes on by another
        fit.

        The model can be used at every event. Arguments and errors as in `fit`; arguments are checked at once, the
        first step is made when the first event is asked for.
        """
        data = self._data(x, labels, condition, noise, sample_weight)
        held_out = None if validation is None else self._held_out(validation)
        if condition_noise and data.condition is None:
            raise ValueError("condition_noise needs a condition to add noise to")
        if self._scale.word is None:
            warn_of_units(data.x)
        chosen, seed = self._resolve(loss), seed_number(seed)

        def settings(begin: int) -> Settings:
            return fitting.settings_of(
                steps=steps,
                begin=begin,
                batch_size=batch_size,
                lr=lr,
                loss=chosen,
                optimizer=optimizer,
                ema=ema,
                p_uncond=p_uncond,
                condition_noise=condition_noise,
                shards=shards,
                seed=seed,
            )

        return fitting.train(self, data, held_out, settings, steps=steps, every=every, run=run, progress=progress)

    def evaluate(
        self,
        x: ArrayLike,
        labels: Any = None,
        *,
        condition: ArrayLike | None = None,
        bins: int = 10,
        seed: int = 0,
    ) -> Evaluation:
        """Return the loss on data at fixed times and noise: the same arguments give the same numbers.

        x : (n, *shape); labels, condition as in `fit`.   bins : equal parts of the time range, 1 to 1000.
        The loss is that of the last fit, before any the default; its value is the mean of the bands.
        """
        data = self._units(self._data(x, labels, condition))
        bins, seed = integer(bins, "bins", 1, 1000), seed_number(seed)
        loss = self._loss or self._resolve(None)
        weights = self._learner.weights(average=self._average)
        trainer = _core.Trainer(
            self.net._core,
            self._engine,
            weights,
            loss._bind(self.schedule, self._prediction, self.shape),
            Adam()._bind(),
            ema=0.0,
            batch_size=1,
        )
        loss, bands = trainer.evaluate(
            fitting.flat(data.x), data.labels, fitting.flat(data.condition), None, bins=bins, seed=seed, average=False
        )
        return Evaluation(float(loss), bands)

    def _resolve(self, loss: object) -> Loss:
        hybrid = self._learn_variance and loss is None
        chosen = Hybrid() if hybrid else resolve_loss(loss, self._prediction)
        if isinstance(chosen, Hybrid) != self._learn_variance:
            raise ValueError(f"losses.Hybrid and learn_variance=True go together; got loss={chosen!r} for {self!r}")
        return chosen

    def _data(self, x: Any, labels: Any, condition: Any, noise: Any = None, sample_weight: Any = None) -> Data:
        x = fitting.rows(x, self.shape)
        known = fitting.labels_for(self.net, labels, len(x))
        return Data(
            x,
            known,
            fitting.condition_for(self.net, condition, len(x)),
            None if noise is None else real_array(noise, "noise", shape=x.shape),
            fitting.weights_of_rows(sample_weight, known, len(x)),
        )

    def _held_out(self, validation: Any) -> Data:
        parts = validation if isinstance(validation, tuple) else (validation,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"validation must be x, (x, labels) or (x, labels, condition), got {len(parts)} parts")
        x, labels, condition = (*parts, None, None)[:3]
        return self._data(x, labels, condition)

    def _learn_units(self, data: Data) -> None:
        self._scale = self._scale.learn(data.x, data.condition)

    def _units(self, data: Data) -> Data:
        self._scale.require()
        condition = self._scale.encode_condition(data.condition)
        return dataclasses.replace(data, x=self._scale.encode(data.x), condition=condition)

    def _trainer(self, settings: Settings) -> Any:
        self._loss = settings.loss
        return _core.Trainer(
            self.net._core,
            self._engine,
            self.net.theta,
            settings.loss._bind(self.schedule, self._prediction, self.shape),
            settings.optimizer._bind(),
            ema=settings.ema,
            seed=settings.seed,
            batch_size=settings.batch_size,
            shards=settings.shards,
            p_uncond=settings.p_uncond,
        )
