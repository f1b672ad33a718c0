"""Denoisers: (x_t, t) -> x0_hat. What every method of sampling consumes, whatever stands behind it."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scorefield import _core
from scorefield._arrays import Array, choice, integer, real_array
from scorefield._denoiser import BaseDenoiser
from scorefield.conditions import Condition, Conditions
from scorefield.schedules import Schedule, resolve_schedule

__all__ = ["BaseDenoiser", "Condition", "Conditions", "Denoiser"]


class Denoiser(BaseDenoiser):
    """Any callable as a denoiser: a PyTorch or JAX module, NumPy code, a closed form.

    fn : fn(x_t (n, *shape), t (n,)) -> array like x_t, in the units of `prediction`. Further keywords among `labels`
    ((n,) int64, -1 = none), `condition` and `text` are passed if fn has them; None stands for "without".
    schedule : object or name.   shape : of one sample, an int or a tuple.
    prediction : "x0", "eps", "score" (grad log p_t), "v", "flow" or "edm".
    batch_size : rows of one call at most.

    fn gets float32, or float64 if x_T or x_t is. It is called by the calling thread only.
    Raises ValueError naming both shapes if fn answers with another one, NonFiniteError if it answers NaN.

    >>> import scorefield as sf
    >>> still = Denoiser(lambda x_t, t: 0 * x_t, sf.schedules.VP(), shape=2)  # all data are 0
    >>> float(abs(still.sample(2, steps=5)).max())
    0.0
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        schedule: Schedule | str,
        shape: int | Sequence[int],
        *,
        prediction: str = "x0",
        batch_size: int = 1024,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"fn must be a function of (x_t, t), got {fn!r}")
        lengths = [shape] if isinstance(shape, int | np.integer) else list(shape)
        self._fn = fn
        self._schedule = resolve_schedule(schedule)
        self._shape = tuple(integer(length, f"shape[{axis}]", 1) for axis, length in enumerate(lengths))
        self._prediction = choice(prediction, "prediction", ("x0", "eps", "score", "v", "flow", "edm"))
        self._batch_size = integer(batch_size, "batch_size", 1)
        self._keywords = _keywords_of(fn)

    @property
    def schedule(self) -> Schedule:
        """The noise schedule, a Schedule."""
        return self._schedule

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample, a tuple."""
        return self._shape

    @property
    def _conditions(self) -> Conditions:
        has = self._keywords
        return Conditions(labels="labels" in has, condition=... if "condition" in has else None, text="text" in has)

    def _bind(self, condition: Condition) -> Any:
        def call(x: Array, t: Array, first: int) -> Array:
            rows = slice(first - condition.start, first - condition.start + len(x))
            given = {name: getattr(condition, name) for name in self._keywords}
            options = {name: None if value is None else value[rows] for name, value in given.items()}
            x_t = self._shaped(x).astype(condition.dtype)
            return self._checked(self._fn(x_t, t.astype(condition.dtype), **options), x_t.shape)

        conditioned = any(getattr(condition, name) is not None for name in self._keywords)
        return _core.CallableDenoiser(
            call, self._size, self.schedule._core, self._prediction, self._batch_size, conditioned
        )

    def _in_float64(self, x_t: Array, t: Array, condition: Condition) -> bool:
        """Whether the callable computes in float64 if it is given float64: it is asked for these rows."""
        given = {name: getattr(condition, name) for name in self._keywords}
        options = {name: None if value is None else value[: len(x_t)] for name, value in given.items()}
        try:
            answer = self._fn(self._shaped(x_t), t, **options)
        except Exception:  # such as a module whose weights are float32
            return False
        return str(getattr(answer, "dtype", "")).endswith("float64")

    def _checked(self, answer: Any, shape: tuple[int, ...]) -> Array:
        """The callable's answer as float64 rows."""
        if answer is None:
            raise TypeError(f"the callable returned None for x_t of shape {shape}; is a return missing?")
        if hasattr(answer, "detach"):  # a tensor that still knows its gradient
            answer = answer.detach()
        y = real_array(answer, "what the callable returned", dtype=np.float64, finite=False, empty=True)
        if y.shape != shape:
            raise ValueError(
                f"the callable returned {y.shape} for x_t of shape {shape}; it must return the shape of x_t"
            )
        return y.reshape(shape[0], -1)

    def __repr__(self) -> str:
        name = getattr(self._fn, "__name__", type(self._fn).__name__)
        return f"Denoiser({name}, {self._schedule!r}, {self._shape}, prediction={self._prediction!r})"


def _keywords_of(fn: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # some builtins have none
        return ()
    return tuple(name for name in ("labels", "condition", "text") if name in parameters)
