"""What a model can be told besides x_t: labels, a condition array, text. One row belongs to one global sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any

import numpy as np

from scorefield._arrays import Array, Labels, label_array, real_array

Text = list[str | None]
FLOAT32: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True)
class Conditions:
    """What a model takes.

    labels : whether it takes class labels; classes : their number, None for any.
    condition : shape of one sample's array, ... for any, None for none.   text : whether it takes text.
    """

    labels: bool = False
    classes: int | None = None
    condition: tuple[int, ...] | EllipsisType | None = None
    text: bool = False


@dataclass(frozen=True, eq=False)
class Condition:
    """Checked conditions of the samples start, start + 1, ... of one call.

    labels : (n,) int64, -1 = none, or None.   condition : (n, ...) float32 or None.   text : n entries or None.
    dtype : what a wrapped callable computes in.
    """

    labels: Labels | None = None
    condition: Array | None = None
    text: Text | None = None
    start: int = 0
    dtype: np.dtype[Any] = FLOAT32

    def dropped(self) -> "Condition":
        """Give the same samples without any condition, a Condition."""
        return replace(self, labels=None, condition=None, text=None)


@dataclass(frozen=True, eq=False)
class Given:
    """Conditions as they came, checked against what the model takes but not yet spread over the samples."""

    labels: Labels | None
    condition: Array | None
    text: Text | None
    lengths: dict[str, int]  # those given as sequences: what n may follow from
    anything: bool

    def spread(self, n: int, start: int, dtype: np.dtype[Any], *, cycle: bool) -> Condition:
        """Give the Condition of samples start .. start + n - 1: entry (start + i) mod length for row i.

        Without `cycle`, sequences of another length than n are a ValueError.
        """
        for name, length in self.lengths.items():
            if not cycle and length not in (1, n):
                raise ValueError(f"{name} must have one entry for each of the {n} rows, got {length}")
        rows = start + np.arange(n, dtype=np.int64)
        labels = None if self.labels is None else self.labels[rows % len(self.labels)]
        condition = None if self.condition is None else self.condition[rows % len(self.condition)]
        text = None if self.text is None else [self.text[row % len(self.text)] for row in rows.tolist()]
        return Condition(labels, condition, text, start, dtype)


def read_conditions(takes: Conditions, labels: object, condition: object, text: object) -> Given:
    """Check what the caller gave against what the model takes; returns a Given."""
    lengths: dict[str, int] = {}
    anything = any(value is not None for value in (labels, condition, text))
    return Given(
        _labels(takes, labels, lengths),
        _condition(takes, condition, lengths),
        _text(takes, text, lengths),
        lengths,
        anything,
    )


def _labels(takes: Conditions, labels: Any, lengths: dict[str, int]) -> Labels | None:
    if labels is None:
        return None
    if not takes.labels:
        raise ValueError("labels were given, but this model knows no classes")
    read = label_array(labels, "labels", classes=takes.classes)
    if np.ndim(labels) > 0:
        lengths["labels"] = len(read)
    return read if (read >= 0).any() else None


def _condition(takes: Conditions, condition: Any, lengths: dict[str, int]) -> Array | None:
    if condition is None:
        return None
    if takes.condition is None:
        raise ValueError("a condition was given, but this model takes none")
    if isinstance(takes.condition, EllipsisType):
        read = real_array(condition, "condition")
    elif np.shape(condition) == takes.condition:
        return real_array(condition, "condition", shape=takes.condition)[None]
    else:
        read = real_array(condition, "condition", shape=("n", *takes.condition))
    if read.ndim == 0:
        raise ValueError("condition must have one entry for each sample, got a single number")
    lengths["condition"] = len(read)
    return read


def _text(takes: Conditions, text: object, lengths: dict[str, int]) -> Text | None:
    if text is None:
        return None
    if not takes.text:
        raise ValueError("text was given, but this model reads none")
    if isinstance(text, str):
        return [text]
    if not isinstance(text, Sequence) or not all(line is None or isinstance(line, str) for line in text):
        raise TypeError(f"text must be a str or a sequence of str and None, got {type(text).__name__}")
    if not text:
        raise ValueError("text is empty; at least one entry is needed")
    lengths["text"] = len(text)
    return list(text) if any(line is not None for line in text) else None
