"""Read one prediction as another: x0, eps, score, v, flow and edm are one thing at known x_t and t."""

import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import Array, choice
from scorefield.schedules.base import Schedule, _alike

KINDS = ("x0", "eps", "score", "v", "flow", "edm")


def convert(
    value: npt.ArrayLike, x_t: npt.ArrayLike, t: npt.ArrayLike, schedule: Schedule, *, source: str, target: str
) -> Array:
    """Convert a prediction of kind `source` at (x_t, t) into one of kind `target`; theory (9)-(14).

    value, x_t : (n, *shape).   t : one time, or (n,), in 0..t_max.
    source, target : "x0", "eps", "score" (grad log p_t), "v" (alpha eps - sigma x0), "flow" (dx_t/dt), "edm" (alpha =
    1 only). Returns an array like x_t, float64 if value or x_t is, else float32.
    ValueError where the level has no answer (x0 from eps at alpha = 0, eps from x0 at sigma = 0), naming the way out.

    >>> from scorefield.schedules import RectifiedFlow
    >>> convert([[2.0]], [[1.0]], 0.5, RectifiedFlow(), source="flow", target="x0")
    array([[0.]])
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
    value, x_t = _alike(value=value, x_t=x_t)
    kinds = choice(source, "source", KINDS), choice(target, "target", KINDS)
    converted: Array = _core.convert(value, x_t, schedule._row_times(t, len(x_t)), schedule._core, *kinds)
    return converted
