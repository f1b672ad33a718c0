"""The front door: a network, a schedule and a prediction kind that learn from data and draw more of it."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorefield import _core, fitting, saving, specs
from scorefield._arrays import choice
from scorefield._learning import LearningDenoiser
from scorefield._names import parse
from scorefield.checkpoint import Reader, guarded
from scorefield.denoiser import Condition, Conditions
from scorefield.errors import NonFiniteError, ScheduleWarning
from scorefield.learner import Learner
from scorefield.losses import NAMED, Loss
from scorefield.networks import Network
from scorefield.prediction import check_prediction
from scorefield.scaling import Units
from scorefield.schedules import Schedule, resolve_schedule

Array = NDArray[Any]
ENGINES = ("fast", "direct", "reference")


class Diffusion(LearningDenoiser):
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
    reverse step lies: for `Ancestral(variance="learned")` and `vlb`, trained by `losses.Hybrid`. Discrete schedules.
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
        self._loss = None
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
    def _learns_variance(self) -> bool:
        return self._learn_variance

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
        with np.errstate(over="ignore"):  # what does not fit float32 is reported below
            E: Array = bound.energy(x, self.schedule._core, times).astype(self._dtype)
        if not np.isfinite(E).all():
            raise NonFiniteError(f"the energy is not finite, first in row {int(np.argmin(np.isfinite(E)))}")
        return E

    def _decode(self, x0: Array) -> Array:
        return self._scale.decode(x0)

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
