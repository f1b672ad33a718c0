"""The front door: a network, a schedule and a prediction kind that learn from data and draw more of it."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorefield import _core, fitting, saving, specs
from scorefield._arrays import choice, integer, real_array, seed_number
from scorefield._names import parse
from scorefield._progress import Progress
from scorefield.checkpoint import Reader, guarded
from scorefield.denoiser import BaseDenoiser, Condition, Conditions
from scorefield.errors import NonFiniteError, ScheduleWarning
from scorefield.history import Event
from scorefield.learner import Learner
from scorefield.losses import NAMED, Hybrid, Loss, resolve_loss
from scorefield.networks import Network
from scorefield.optim import Adam
from scorefield.prediction import check_prediction
from scorefield.run import Run
from scorefield.scaling import Units, warn_of_units
from scorefield.schedules import Schedule, resolve_schedule
from scorefield.trainable import Trainable
from scorefield.training import Data, Settings

Array = NDArray[Any]
ENGINES = ("fast", "direct", "reference")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Loss on data at fixed times and noise.   loss : mean over the time range.   bands : (bins,) its equal parts."""

    loss: float
    bands: Array


class Diffusion(Trainable, BaseDenoiser):
    """A diffusion model: `fit` it on data, then `sample`.

    net : the network, one output per input number.   schedule : object or name, for instance
    ``schedules.Cosine(1000)``.
    prediction : what the network puts out: "x0", "eps", "score", "v", "flow", "edm" or "energy" (one number, out=1, of
    which the score is the derivative in x). None: edm for `EDM`, flow for `RectifiedFlow`, v where 1/alpha_T > 300
    (`Cosine`, `Sigmoid`), score for `Single`, else eps.
    scale : None: the data are near mean 0 and deviation 1 (images in [-1, 1]) already. "standard": each column
    (vectors) or channel (images, sequences) is brought there by the first `fit`. (shift, scale): x becomes (x -
    shift) / scale.
    learn_variance : the network puts out twice the channels (``out=``), the second half says where the variance of a
    reverse step lies: for `Ancestral(variance="learned")`, trained by `losses.Hybrid`. Discrete schedules.
    engine : "fast", "direct" (the fast one without Winograd's convolutions) or "reference" (each operation by itself).

    Samples, and x0 everywhere, are in the units of the data; x_t, eps and score in scaled units. Sampling uses an
    average of the weights over the training steps (EMA); ``model.raw`` is the same model without.

    Raises ValueError where the prediction cannot exist (eps or score at alpha_T = 0, edm where alpha is not 1) and
    warns (ScheduleWarning) where an error of the network would be enlarged more than 300 times.

    Example
    -------
    >>> import scorefield as sf
    >>> x, _ = sf.datasets.moons(1000, noise=0.05, seed=0)
    >>> model = sf.Diffusion(sf.MLP(2), sf.schedules.VP()).fit(x, steps=10, progress=False)
    >>> model.sample(4, steps=5).shape
    (4, 2)

    Sources: Ho et al. 2020 (eps), Salimans and Ho 2022 (v), Karras et al. 2022 (edm), Liu et al. 2023 (flow); theory
    3, 4.
    """

    def __init__(
        self,
        net: Network,
        schedule: Schedule | str,
        prediction: str | None = None,
        *,
        scale: Any = None,
        learn_variance: bool = False,
        engine: str = "fast",
    ):
        if not isinstance(net, Network):
            raise TypeError(f"net must be a network such as sf.MLP or sf.UNet, got {net!r}")
        self._learner = Learner(net)
        self._schedule = resolve_schedule(schedule)
        self._prediction = check_prediction(prediction, self._schedule)
        self._learn_variance = bool(learn_variance)
        _check_output(net, self._prediction, self._schedule, self._learn_variance)
        self._engine = choice(engine, "engine", ENGINES)
        self._scale = Units.asked(scale, tuple(net.shape))
        self._loss: Loss | None = None  # of the last fit
        self._average = True
        self._loaded: tuple[Array, Any] | None = None  # weights and the core's object that holds them
        self._tangents: tuple[Array, Any] | None = None  # the same for second derivatives of an energy

    # What every denoiser gives to BaseDenoiser.

    @property
    def _conditions(self) -> Conditions:
        return Conditions(self.net.classes is not None, self.net.classes, self.net.condition)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def schedule(self) -> Schedule:
        """The noise schedule."""
        return self._schedule

    def _bind(self, condition: Condition) -> Any:
        values = fitting.flat(self._scale.encode_condition(condition.condition))
        if self._prediction == "energy":
            return _core.EnergyDenoiser(
                self._inference(),
                self._tangent_inference(),
                self.schedule._core,
                condition.labels,
                values,
                start=condition.start,
            )
        return _core.NetworkDenoiser(
            self._inference(),
            self.schedule._core,
            self._prediction,
            condition.labels,
            values,
            start=condition.start,
            variance_channels=self.shape[-1] if self._learn_variance else 0,
        )

    def _inference(self) -> Any:
        """Return the core's object that holds the weights, made anew only when they have changed."""
        self._scale.require()
        weights, loaded = self._learner.weights(average=self._average), self._loaded
        if loaded is None or loaded[0] is not weights:
            loaded = self._loaded = (weights, _core.Inference(self.net._core, self._engine, weights))
        return loaded[1]

    def _tangent_inference(self) -> Any:
        weights, loaded = self._learner.weights(average=self._average), self._tangents
        if loaded is None or loaded[0] is not weights:
            loaded = self._tangents = (weights, _core.TangentInference(self.net._core, weights))
        return loaded[1]

    def energy(
        self, x_t: ArrayLike, t: ArrayLike | None = None, *, labels: Any = None, condition: Any = None, text: Any = None
    ) -> Array:
        """Give the energy E of a model with prediction "energy": p_t(x_t) ~ exp(-E), score = -dE/dx; theory (19).

        x_t : (n, *shape).   t : one time or (n,), > 0 (`Single`: any); None is t_min.   labels, condition, text : as
        `denoise`. Returns (n,) float32, nats up to one constant for each t. ValueError for other models.
        """
        if self._prediction != "energy":
            raise ValueError(f"only a model with prediction='energy' has one; this one predicts {self._prediction}")
        x, times, bound = self._ask(x_t, t, labels, condition, text)
        E: Array = bound.energy(x, self.schedule._core, times)
        if not np.isfinite(E).all():
            raise NonFiniteError(f"the energy is not finite, first in row {int(np.argmin(np.isfinite(E)))}")
        return E.astype(self._dtype)

    def _decode(self, x0: Array) -> Array:
        return self._scale.decode(x0)

    # Training.

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
    ) -> Diffusion:
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

    # The model as an object.

    @property
    def raw(self) -> Diffusion:
        """The same model, sampling with the weights of the last step instead of their average."""
        other = self._twin()
        other._average = False
        return other

    def _twin(self) -> Self:
        other = super()._twin()
        other._loaded = other._tangents = None
        return other

    def reset(self, seed: int = 0) -> Self:
        """Forget all training and draw new first weights; returns the model.   seed : as the network's ``seed``."""
        super().reset(seed)
        self._scale = self._scale.forget()
        return self

    def _content(self) -> tuple[dict[str, Any], dict[str, Array]]:
        config, tensors = super()._content()
        learnt, scales = self._scale.content()
        return {**config, "learnt": learnt}, {**tensors, **scales}

    def _identity(self) -> dict[str, Any]:
        return {
            "class": "Diffusion",
            "network": specs.network_spec(self.net),
            "schedule": specs.schedule_spec(self.schedule),
            "prediction": self._prediction,
            "scale": self._scale.word,
            "engine": self._engine,
            **({"learn_variance": True} if self._learn_variance else {}),
        }

    @classmethod
    def _read(cls, reader: Reader) -> Diffusion:
        """Make the model that a file describes; FormatError for anything that is none."""
        net, schedule = specs.read_network(reader), specs.read_schedule(reader)
        words = {"engine": reader.field("engine", str), "scale": reader.field("scale", (str, type(None)))}
        words["learn_variance"] = "learn_variance" in reader.config and reader.field("learn_variance", bool)
        if words["scale"] == "given":
            words["scale"] = (0, 1)  # the numbers come with the tensors
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ScheduleWarning)
            kind = reader.field("prediction", str)
            model: Diffusion = guarded(reader, "prediction, scale or engine", lambda: cls(net, schedule, kind, **words))
        expected = Units.expected(reader, {"scale": tuple(net.shape), "condition": tuple(net.condition or (1,))})
        stage, tensors = saving.read_stage(reader, net.num_parameters, schedule, expected)
        model._learner.become(stage)
        model._scale = Units.read(reader, model._scale.word, tensors)
        model._loss = _read_loss(stage.record)
        return model

    def _become(self, other: Self) -> None:
        super()._become(other)
        self._scale = other._scale

    def __repr__(self) -> str:
        more = ", learn_variance=True" if self._learn_variance else ""
        words = f"prediction={self._prediction!r}, scale={self._scale.word!r}{more}"
        return f"Diffusion({self.net!r}, {self.schedule}, {words})"

    def _facts(self) -> list[str]:
        return [f"prediction {self._prediction}", f"scale {self._scale.word or 'none'}"]


def _check_output(net: Network, prediction: str, schedule: Schedule, learn_variance: bool) -> None:
    """Refuse a network whose output cannot be this prediction."""
    if prediction == "energy" and tuple(net.output_shape) != (1,):
        raise ValueError(f"an energy is one number: make the network with out=1; this one puts out {net.output_shape}")
    if learn_variance:
        if prediction == "energy" or schedule.T is None:
            raise ValueError("learn_variance needs steps from t to t - 1, a discrete schedule, and no energy")
        twice = (*net.shape[:-1], 2 * net.shape[-1])
        if tuple(net.output_shape) != twice:
            raise ValueError(f"learn_variance needs a network with out={twice}; this one puts out {net.output_shape}")
        return
    if prediction != "energy" and tuple(net.output_shape) != tuple(net.shape):
        raise ValueError(f"the network puts out {net.output_shape} for inputs of {net.shape}; they must be the same")


def _read_loss(record: dict[str, Any] | None) -> Loss | None:
    """Return the loss of the last fit; None where it was one written in Python, which a file cannot bring back."""
    try:
        return None if record is None else parse(record["settings"]["loss"], "loss", NAMED)
    except (TypeError, ValueError):
        return None
