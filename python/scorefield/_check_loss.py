"""The laws of a training loss."""

from typing import Any

import numpy as np

from scorefield._arrays import seed_number
from scorefield.losses import Loss
from scorefield.schedules import VP

ROWS, SHAPE = 5, (3, 2)
STEP = 1e-6  # of the differences, in float64: rounding 1e-16 / STEP and curvature STEP^2 leave 1e-9 of a smooth slope
TOLERANCE = 1e-4


def check_loss(loss: Loss, *, seed: int | None = 0) -> None:
    """Test the laws of a loss; AssertionError names the law that it breaks. Returns None.

    A loss answers (value (n,), dvalue/dy like y), finite for finite arguments; leaves its arguments alone; gives the
    same answer to the same question; judges row by row; and its derivative is the slope of its value, by central
    differences in float64. The schedule is VP() at five times.
    """
    if not isinstance(loss, Loss):
        raise TypeError(f"check_loss takes a Loss, got {loss!r}")
    random = np.random.default_rng(seed_number(seed))
    y, target = random.normal(size=(2, ROWS, *SHAPE))
    t = np.linspace(0.1, 0.9, ROWS)
    value, dy = _answer(loss, y, target, t)
    again, _ = _answer(loss, y, target, t)
    _hold(np.array_equal(value, again), f"{loss!r} must give the same answer to the same question")
    for i in range(ROWS):
        alone, _ = _answer(loss, y[i : i + 1], target[i : i + 1], t[i : i + 1])
        _hold(
            np.allclose(alone, value[i], rtol=1e-9),
            f"{loss!r} must judge row by row: row {i} has {value[i]} in a batch and {alone[0]} alone",
        )
    _check_derivative(loss, (y, target, t), dy, random)


def _hold(law: bool, message: str) -> None:
    if not law:
        raise AssertionError(message)


def _answer(loss: Loss, y: Any, target: Any, t: Any) -> tuple[Any, Any]:
    given_y, given_target = y.copy(), target.copy()
    answer = loss(given_y, given_target, VP().at(t))
    _hold(isinstance(answer, tuple | list) and len(answer) == 2, f"{loss!r} must answer (value, dvalue/dy)")
    value, dy = (np.asarray(part) for part in answer)
    for given, kept in ((given_y, y), (given_target, target)):
        _hold(np.array_equal(given, kept), f"{loss!r} must leave its arguments alone")
    for name, part, shape in (("value", value, y.shape[:1]), ("derivative", dy, y.shape)):
        _hold(part.shape == shape, f"the {name} of {loss!r} must have shape {shape}, got shape {part.shape}")
        _hold(bool(np.isfinite(part).all()), f"the {name} of {loss!r} must be finite for finite arguments")
    return value, dy


def _check_derivative(loss: Loss, question: tuple[Any, Any, Any], dy: Any, random: np.random.Generator) -> None:
    """Compare along random directions: <dy, v> = (value(y + h v) - value(y - h v)) / 2h for each row."""
    y, target, t = question
    for _ in range(10):
        v = random.normal(size=y.shape)
        up, _ = _answer(loss, y + STEP * v, target, t)
        down, _ = _answer(loss, y - STEP * v, target, t)
        slope, said = (up - down) / (2 * STEP), (dy * v).reshape(len(y), -1).sum(1)
        scale = np.abs(dy * v).reshape(len(y), -1).sum(1) + np.abs(slope) + 1e-6
        _hold(
            bool((np.abs(slope - said) <= TOLERANCE * scale).all()),
            f"the derivative of {loss!r} must be the slope of its value: differences give {slope}, it says {said}",
        )
