"""Optimisers on flat float32 arrays: Adam with decoupled weight decay, and SGD with momentum.

`fit` takes one by name or as an object; `init` and `step` serve training loops written by hand.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import choice, integer, number, real_array
from scorefield._names import find

__all__ = ["SGD", "Adam", "Optimizer"]

Array = npt.NDArray[Any]
State = dict[str, Array]

DECAYS = ("constant", "cosine", "linear")


class Optimizer(ABC):
    """theta <- update(theta, dtheta). Frozen: what changes from step to step is the state, a dict of arrays by name."""

    @abstractmethod
    def _bind(self) -> "_core.Optimizer":
        """Give the core's recipe."""

    def init(self, theta: npt.ArrayLike) -> State:
        """Give the state before the first step: zero moments. theta : (P,).

        >>> sorted(Adam().init(np.zeros(3)))
        ['adam.m', 'adam.step', 'adam.v']
        """
        state: State = self._bind().init(real_array(theta, "theta", shape=("P",)))
        return state

    def step(self, theta: npt.ArrayLike, dtheta: npt.ArrayLike, state: State) -> tuple[Array, State]:
        """Take one step; the arguments stay as they are.

        theta, dtheta : (P,), parameters and the gradient of the loss.   state : from `init` or the step before.
        Returns (theta, state): fresh arrays. Raises NonFiniteError if dtheta holds NaN or infinity, ValueError if the
        state belongs to another optimiser or size.
        """
        theta = real_array(theta, "theta", shape=("P",))
        dtheta = real_array(dtheta, "dtheta", shape=theta.shape, finite=False)
        if not isinstance(state, dict):
            raise TypeError(f"state must be the dict that init or step returned, got {type(state).__name__}")
        following: tuple[Array, State] = self._bind().step(theta, dtheta, state)
        return following


def _common(optimizer: Any) -> dict[str, Any]:
    """Give the settings that all optimisers share, checked, as the core takes them."""
    decay, warmup = choice(optimizer.decay, "decay", DECAYS), integer(optimizer.warmup, "warmup", 0)
    decay_steps = 0 if optimizer.decay_steps is None else integer(optimizer.decay_steps, "decay_steps", 1)
    if decay != "constant" and optimizer.decay_steps is not None and decay_steps <= warmup:
        raise ValueError(f"decay_steps ({decay_steps}) must be greater than warmup ({warmup}), which is part of it")
    return {
        "lr": number(optimizer.lr, "lr", 0, open_low=True),
        "weight_decay": number(optimizer.weight_decay, "weight_decay", 0),
        "clip_norm": 0.0 if optimizer.clip_norm is None else number(optimizer.clip_norm, "clip_norm", 0, open_low=True),
        "warmup": warmup,
        "decay": decay,
        "decay_steps": decay_steps,
    }


def _complete(optimizer: Any) -> dict[str, Any]:
    """Give the settings of an optimiser that is about to run: by now somebody has said when its decay ends."""
    if optimizer.decay != "constant" and optimizer.decay_steps is None:
        raise ValueError(f"decay={optimizer.decay!r} needs decay_steps, the step where the learning rate reaches 0")
    return _common(optimizer)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (AdamW, Loshchilov and Hutter 2019).

    lr : learning rate, > 0.   betas : decay of the two moments, each in [0, 1).   eps : > 0.
    weight_decay : >= 0, times lr.
    clip_norm : the gradient is scaled down to this norm if it is longer; None: never.
    warmup : steps in which lr grows linearly to its value.   decay : "constant", or "cosine" or "linear" to 0 at
    step decay_steps, which is counted from the model's first step and holds the warm-up.
    Raises ValueError or TypeError for settings outside these ranges.

    >>> theta, state = np.ones(2, np.float32), Adam(lr=0.1).init(np.ones(2))
    >>> Adam(lr=0.1).step(theta, [0.5, -0.25], state)[0].round(6)
    array([0.9, 1.1], dtype=float32)
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    warmup: int = 0
    decay: str = "constant"
    decay_steps: int | None = None

    def __post_init__(self) -> None:
        _common(self)
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise TypeError(f"betas must be two numbers, got {self.betas!r}")
        object.__setattr__(self, "betas", tuple(number(b, "betas", 0, 1, open_high=True) for b in self.betas))
        number(self.eps, "eps", 0, open_low=True)

    def _bind(self) -> "_core.Optimizer":
        return _core.adam(beta1=self.betas[0], beta2=self.betas[1], eps=float(self.eps), **_complete(self))


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum: m <- momentum m + dtheta, theta <- theta - lr m.

    lr : learning rate, > 0.   momentum : in [0, 1).   The other settings are those of `Adam`.
    Raises ValueError or TypeError for settings outside their ranges.

    >>> SGD(0.5, momentum=0.0).step([1.0], [0.5], SGD(0.5).init([1.0]))[0]
    array([0.75], dtype=float32)
    """

    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    warmup: int = 0
    decay: str = "constant"
    decay_steps: int | None = None

    def __post_init__(self) -> None:
        _common(self)
        number(self.momentum, "momentum", 0, 1, open_high=True)

    def _bind(self) -> "_core.Optimizer":
        return _core.sgd(momentum=float(self.momentum), **_complete(self))


def resolve_optimizer(optimizer: object, lr: float | None) -> Optimizer:
    """Give the optimiser that `fit(optimizer=, lr=)` means: a name with a rate (default 1e-3), or an object without."""
    table: dict[str, type[Optimizer]] = {"Adam": Adam, "SGD": SGD}
    if isinstance(optimizer, Optimizer):
        if lr is not None:
            name = type(optimizer).__name__
            raise ValueError(f"lr={lr!r} and an optimiser object: give the learning rate once, {name}(lr={lr!r})")
        return optimizer
    if isinstance(optimizer, str):
        return table[find(optimizer, "optimizer", table)](**{"lr": 1e-3 if lr is None else lr})
    raise TypeError(f"optimizer must be a name (adam, sgd) or an object of sf.optim, got {optimizer!r}")
