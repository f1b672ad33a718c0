"""Training losses: denoising (15) with its weights and times, score matching (17), (18), contrastive divergence, and
the base of your own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import choice, integer, number, real_array
from scorefield._names import find
from scorefield.schedules import Level, Schedule

__all__ = ["ContrastiveDivergence", "Denoising", "Hybrid", "Implicit", "Loss", "Sliced"]

Array = npt.NDArray[Any]
Weight = str | Callable[[Level], npt.ArrayLike]

WEIGHTS = ("simple", "vlb", "snr", "min_snr", "p2", "likelihood", "edm")
TIMES = ("uniform", "stratified", "log_normal", "logit_normal", "importance")
PAIRINGS = ("independent",)
DIRECTIONS = ("rademacher", "gaussian")
IMPORTANCE = ("vlb", "likelihood")  # short forms that draw times by importance: their weights vary too much for uniform


class Loss(ABC):
    """What training minimises, of the network's output y and its target. Subclass it for a loss of your own.

    The target is what the network itself should put out: noise for "eps" and (negated) for "score", x0, v, ... The
    derivative is written by hand, like all others here; `scorefield.testing.check_loss` tests it. `times` says at which
    times training takes place, as in `Denoising`.

    >>> class Absolute(Loss):
    ...     def __call__(self, y, target, level):
    ...         r = (y - target).reshape(len(y), -1)
    ...         return abs(r).mean(1), (np.sign(r) / r.shape[1]).reshape(y.shape)
    >>> Absolute()
    Absolute()
    """

    times: str = "uniform"

    @abstractmethod
    def __call__(self, y: Array, target: Array, level: Level) -> tuple[npt.ArrayLike, npt.ArrayLike]:
        """Give (value, dvalue/dy): the loss of each row, (n,), and the derivative of each row's value, like y.

        y, target : (n, *shape).   level : `Level` with arrays (n,): t, alpha, sigma, log_snr, ...
        """

    def _bind(self, schedule: Schedule, prediction: str, shape: tuple[int, ...] | None = None) -> "_core.Objective":
        """Give the core's objective; y and target come with rows of `shape`, or flat."""

        def called(y: Array, target: Array, t: Array) -> tuple[Array, Array]:
            rows = y.shape if shape is None or prod(shape) != y.shape[1] else (len(y), *shape)
            value, dy = self(y.reshape(rows), target.reshape(rows), schedule.at(t))
            name = type(self).__name__
            value = real_array(value, f"the value of {name}", shape=(len(y),), dtype=np.float64, finite=False)
            dy = real_array(dy, f"the derivative of {name}", shape=rows, finite=False)
            return value, dy.reshape(y.shape)

        return _core.PythonLoss(schedule._core, prediction, called, choice(self.times, "times", TIMES))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


@dataclass(frozen=True)
class Denoising(Loss):
    """Weighted squared error of the network's output, a mean over elements, times and noise (15).

    weight : "simple" is 1 on the network's own target; the others are weights on the eps-loss (theory 4), converted to
    that target: "vlb" (Ho 2020), "snr" (max(snr, 1) on x0, Salimans 2022), "min_snr" (gamma 5, Hang 2023), "p2"
    (Choi 2022), "likelihood" (Song 2021), "edm" (Karras 2022); or a function of the `Level` of n times: (n,) numbers.
    times : "uniform", "stratified" (one in each n-th of the range), "log_normal" (of sigma, Karras 2022),
    "logit_normal" (Esser 2024), "importance" (in proportion to recent losses, Nichol 2021).
    pairing : "independent": noise does not know the data.
    Raises ValueError for other words.

    >>> Denoising("min_snr")
    Denoising(weight='min_snr', times='uniform', pairing='independent')
    """

    weight: Weight = "simple"
    times: str = "uniform"
    pairing: str = "independent"

    def __post_init__(self) -> None:
        if not callable(self.weight):
            object.__setattr__(self, "weight", choice(self.weight, "weight", WEIGHTS))
        object.__setattr__(self, "times", choice(self.times, "times", TIMES))
        if self.pairing == "ot":
            raise ValueError("pairing='ot' is not supported yet; use 'independent'")
        object.__setattr__(self, "pairing", choice(self.pairing, "pairing", PAIRINGS))

    def __call__(self, y: Array, target: Array, level: Level) -> tuple[Array, Array]:
        """Give the squared error of each row, (n,), and its derivative, like y: what the weight multiplies."""
        r = np.asarray(y) - np.asarray(target)
        size = prod(r.shape[1:])
        return (r * r).reshape(len(r), -1).mean(1), 2 / size * r

    def _bind(self, schedule: Schedule, prediction: str, shape: tuple[int, ...] | None = None) -> "_core.Objective":
        weight = self.weight
        if prediction == "energy":
            if not isinstance(weight, str):
                raise ValueError(f"an energy is trained with one of the named weights {', '.join(WEIGHTS)}")
            return _core.EnergyMatching(schedule._core, weight, self.times)
        if isinstance(weight, str):
            return _core.Denoising(schedule._core, prediction, weight, self.times)
        function = weight

        def called(t: Array) -> Array:
            return real_array(function(schedule.at(t)), "the weight", shape=t.shape, dtype=np.float64, finite=False)

        return _core.Denoising(schedule._core, prediction, called, self.times)

    def __repr__(self) -> str:
        weight = repr(self.weight) if isinstance(self.weight, str) else _name(self.weight)
        return f"Denoising(weight={weight}, times={self.times!r}, pairing={self.pairing!r})"


class ScoreMatching(Loss):
    """Base of the losses that are made of the network's derivatives: they have no value for an output alone."""

    def __call__(self, y: Array, target: Array, level: Level) -> tuple[Array, Array]:
        """Raise TypeError: what this loss judges is the network around x, not one output y."""
        raise TypeError(f"{self!r} is made of the network's derivatives; only fit and evaluate can compute it")

    def _trace(self) -> tuple["_core.Trace", int]:
        """How the trace of ds/dx is found, and by how many random directions."""
        raise NotImplementedError

    def _bind(self, schedule: Schedule, prediction: str, shape: tuple[int, ...] | None = None) -> "_core.Objective":
        trace, probes = self._trace()
        return _core.ScoreMatching(schedule._core, prediction, trace, probes, self.times)

    def _gradcheck(self, seed: int) -> float:
        return float(_core.gradcheck_score_matching(*self._trace(), seed))


@dataclass(frozen=True)
class Implicit(ScoreMatching):
    """Implicit score matching: tr(ds/dx) + 1/2 |s|^2 (17), a mean over elements, for models with prediction "score".

    With schedule `Single(0)` it learns the score of the data themselves. At noise levels it is weighted by sigma^2 as
    in NCSN. The exact trace asks for one derivative per number of a sample: up to 256 of them; made for MLPs, exact and
    slow for other networks.
    times : as in `Denoising`.

    Source: Hyvarinen 2005, eq. 4; theory 6.

    >>> Implicit()
    Implicit(times='uniform')
    """

    times: str = "uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", choice(self.times, "times", TIMES))

    def _trace(self) -> tuple["_core.Trace", int]:
        return _core.Trace.exact, 1


@dataclass(frozen=True)
class Sliced(ScoreMatching):
    """Sliced score matching: mean of v^T (ds/dx) v over random v, + 1/2 |s|^2 (18), for models with prediction "score".

    probes : directions v per sample, >= 1.   directions : "rademacher" (signs: less variance) or "gaussian".
    times : as in `Denoising`.   Any number of dimensions; made for MLPs, exact and slow for other networks.

    Source: Song et al. 2019 (UAI), eq. 8, the variance-reduced form; theory 6.

    >>> Sliced(probes=2)
    Sliced(probes=2, directions='rademacher', times='uniform')
    """

    probes: int = 1
    directions: str = "rademacher"
    times: str = "uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "probes", integer(self.probes, "probes", 1, 1024))
        object.__setattr__(self, "directions", choice(self.directions, "directions", DIRECTIONS))
        object.__setattr__(self, "times", choice(self.times, "times", TIMES))

    def _trace(self) -> tuple["_core.Trace", int]:
        return getattr(_core.Trace, self.directions), self.probes


@dataclass(frozen=True)
class Hybrid(Loss):
    """The squared error of "simple", and vlb times the variational bound, for models with learn_variance.

    vlb : > 0, the weight of the bound, T L_{t-1} in nats per number.   times : as in `Denoising`.

    Only the variance follows the bound: its derivative in the mean is left out. Discrete schedules.
    Source: Nichol and Dhariwal 2021, eq. 16; theory 2, (16).

    >>> Hybrid()
    Hybrid(vlb=0.001, times='uniform')
    """

    vlb: float = 0.001
    times: str = "uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "vlb", number(self.vlb, "vlb", 0, open_low=True))
        object.__setattr__(self, "times", choice(self.times, "times", TIMES))

    def __call__(self, y: Array, target: Array, level: Level) -> tuple[Array, Array]:
        """Raise TypeError: the bound is that of a schedule's step, which one level does not tell."""
        raise TypeError(f"{self!r} needs the steps of a schedule; only fit and evaluate can compute it")

    def _bind(self, schedule: Schedule, prediction: str, shape: tuple[int, ...] | None = None) -> "_core.Objective":
        if shape is None:
            raise TypeError(f"{self!r} needs the shape of a sample; only fit and evaluate can compute it")
        return _core.Hybrid(schedule._core, prediction, self.vlb, shape[-1], self.times)


@dataclass(frozen=True)
class ContrastiveDivergence(Loss):
    """E(x) - E(x'), where x' is the end of a short chain from x, for energies at one noise level: CD-k.

    The likelihood's gradient is the mean of dE/dtheta over the data minus that over samples of the model; the ends of
    the chains stand for samples. With schedule `Single(0)` it learns the energy of the data themselves, with no noise
    on them and no second derivatives. The value is near 0 from first to last and no measure of success: compare
    `Diffusion.energy` with held-out data, or look at `plot.density`.

    steps : of Metropolis-adjusted Langevin dynamics, >= 1, each one call of the network.   step_size : > 0, in scaled
    units, about the variance of what the data look like from near (a narrow mode) or less. Short chains do not move
    weight between modes that lie far apart: like the score, this loss learns their shares slowly.
    Raises ValueError for other schedules than `Single` and other predictions than "energy".

    Sources: Hinton 2002, eq. 7; Du and Mordatch 2019, algorithm 1 (Langevin dynamics).

    >>> ContrastiveDivergence(steps=3)
    ContrastiveDivergence(steps=3, step_size=0.1)
    """

    steps: int = 5
    step_size: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", integer(self.steps, "steps", 1, 1 << 20))
        object.__setattr__(self, "step_size", number(self.step_size, "step_size", 0, open_low=True))

    def __call__(self, y: Array, target: Array, level: Level) -> tuple[Array, Array]:
        """Raise TypeError: what this loss judges is the energy at other points than the data."""
        raise TypeError(f"{self!r} asks the network where its chains end; only fit and evaluate can compute it")

    def _bind(self, schedule: Schedule, prediction: str, shape: tuple[int, ...] | None = None) -> "_core.Objective":
        if prediction != "energy":
            raise ValueError(f'{self!r} trains an energy: make the model with prediction="energy", not "{prediction}"')
        return _core.ContrastiveDivergence(schedule._core, self.steps, self.step_size)


NAMED: dict[str, Callable[[], Loss]] = {
    "ContrastiveDivergence": ContrastiveDivergence,
    "Denoising": Denoising,
    "Hybrid": Hybrid,
    "Implicit": Implicit,
    "Sliced": Sliced,
}


def _name(function: Callable[..., Any]) -> str:
    """A name for a function that is the same in every process."""
    return getattr(function, "__qualname__", type(function).__qualname__)


def resolve_loss(loss: object, prediction: str) -> Loss:
    """Give the loss that `fit(loss=)` means for a model of this prediction kind.

    loss : a `Loss`; the name of one ("implicit", "sliced"), or of a weight, which is short for Denoising of it ("vlb"
    and "likelihood" with times drawn by importance); None: the paper's own for prediction "edm", else "simple" at
    uniform times.
    Raises ValueError or TypeError for anything else.
    """
    if loss is None:
        return Denoising("edm", "log_normal") if prediction == "edm" else Denoising()
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        weight = find(loss, "loss", (*WEIGHTS, *NAMED))
        if weight in NAMED:
            return NAMED[weight]()
        return Denoising(weight, "importance" if weight in IMPORTANCE else "uniform")
    hint = f"; did you mean {loss.__name__}()?" if isinstance(loss, type) and issubclass(loss, Loss) else ""
    raise TypeError(f"loss must be a Loss, or one of the names {', '.join((*WEIGHTS, *NAMED))}; got {loss!r}{hint}")
