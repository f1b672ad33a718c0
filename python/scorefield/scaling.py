"""Units: the data in numbers that a network likes, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorefield._arrays import real_array
from scorefield.checkpoint import Expected, Reader
from scorefield.errors import DataWarning

Array = NDArray[Any]
PARTS = ("shift", "factor")
WIDE = 10.0  #: a warning if deviations of columns, or columns and 1, differ by more than this factor


@dataclass(frozen=True, eq=False)
class Scaling:
    """z = (x - shift) / factor, entry by entry.   shift, factor : float32, the shape of one sample; factor > 0."""

    shift: Array
    factor: Array

    def encode(self, x: Array) -> Array:
        """Return x (n, *shape) in the network's units, in x's type."""
        return ((x - self.shift.astype(np.float64)) / self.factor).astype(x.dtype)

    def decode(self, z: Array) -> Array:
        """Return z (n, *shape) in the user's units, in z's type."""
        return (z * self.factor.astype(np.float64) + self.shift).astype(z.dtype)


@dataclass(frozen=True, eq=False)
class Units:
    """The scale that a model was asked for, and the scales of x and condition as far as they are known.

    word : None: the data stay as they are; "standard": learnt from the first data; "given".
    """

    word: str | None
    x: Scaling | None = None
    condition: Scaling | None = None

    @classmethod
    def asked(cls, scale: Any, shape: tuple[int, ...]) -> Units:
        """Return the units that the word `scale` of a model stands for; TypeError or ValueError for nonsense."""
        if scale is None or (isinstance(scale, str) and scale == "standard"):
            return cls(scale)
        return cls("given", given(scale, shape))

    def learn(self, x: Array, condition: Array | None) -> Units:
        """Return the units learnt from data, x (n, *shape); themselves if there is nothing to learn any more."""
        if self.word != "standard" or self.x is not None:
            return self
        return Units(self.word, standard(x), None if condition is None else standard(condition))

    def forget(self) -> Units:
        """Return the units as they were before any data."""
        return Units(self.word) if self.word == "standard" else self

    def require(self) -> None:
        """Raise ValueError if they are still to be learnt; returns None."""
        if self.word is not None and self.x is None:
            raise ValueError("scale='standard' is learnt from the data: call fit before asking the model")

    def encode(self, x: Array) -> Array:
        """Return x (n, *shape) in the network's units."""
        return x if self.x is None else self.x.encode(x)

    def decode(self, z: Array) -> Array:
        """Return z (n, *shape) in the user's units."""
        return z if self.x is None else self.x.decode(z)

    def encode_condition(self, condition: Array | None) -> Array | None:
        """Return a condition (n, ...), or None, in the network's units."""
        return condition if condition is None or self.condition is None else self.condition.encode(condition)

    # In a file "learnt" says which of the two scales it holds; the tensors are scale.shift, condition.factor and so on.

    def content(self) -> tuple[list[bool], dict[str, Array]]:
        """Return (which scales are known, their tensors by name)."""
        scales = {"scale": self.x, "condition": self.condition}
        tensors = {f"{name}.{part}": getattr(known, part) for name, known in scales.items() if known for part in PARTS}
        return [known is not None for known in scales.values()], tensors

    @staticmethod
    def expected(reader: Reader, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Expected]:
        """Return the tensors that a file holds, by name.   shapes : of "scale" and "condition"."""
        flags = reader.field("learnt", list)
        if len(flags) != 2 or not all(isinstance(flag, bool) for flag in flags):
            reader.fail("learnt", f"expected two of true and false, got {flags!r:.80}")
        known = [(name, shape) for flag, (name, shape) in zip(flags, shapes.items(), strict=True) if flag]
        return {f"{name}.{part}": Expected(shape) for name, shape in known for part in PARTS}

    @classmethod
    def read(cls, reader: Reader, word: str | None, tensors: Mapping[str, Array]) -> Units:
        """Return the units of a file from the tensors that `expected` announced."""
        scales = {}
        for name in ("scale", "condition"):
            if f"{name}.factor" in tensors:
                scales[name] = Scaling(*(tensors[f"{name}.{part}"] for part in PARTS))
                if not (scales[name].factor > 0).all():
                    reader.fail(f"tensor {name}.factor", "must be > 0")
        return cls(word, scales.get("scale"), scales.get("condition"))


def standard(x: Array) -> Scaling:
    """Return the scaling to mean 0 and deviation 1 per column, or per channel (the last axis) of sequences and images.

    x : (n, *shape).   A column that does not vary keeps its deviation of 0: factor 1.
    """
    mean, deviation = _statistics(x)
    factor = np.where(deviation > 0, deviation, 1.0)
    return Scaling(*(np.broadcast_to(a, x.shape[1:]).astype(np.float32) for a in (mean, factor)))


def given(pair: Any, shape: tuple[int, ...]) -> Scaling:
    """Return the scaling by (shift, factor): numbers, or arrays that broadcast against one sample; ValueError else."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"scale must be None, 'standard' or a pair (shift, scale), got {pair!r}")
    shift, factor = (_full(value, f"scale[{i}]", shape) for i, value in enumerate(pair))
    if not (factor > 0).all():
        raise ValueError(f"scale[1] must be > 0 everywhere, its least entry is {factor.min():g}")
    return Scaling(shift, factor)


def _full(value: ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    array = real_array(value, name)
    try:
        return np.broadcast_to(array, shape).copy()
    except ValueError:
        raise ValueError(f"{name} of shape {array.shape} does not fit one sample, shape {shape}") from None


def warn_of_units(x: Array, stacklevel: int = 4) -> None:
    """Give a DataWarning if columns of x (n, *shape) have very different scales, or all are far from 1."""
    mean, deviation = _statistics(x)
    varying = deviation[deviation > 0]
    if not varying.size:
        return
    ratio, size = varying.max() / varying.min(), max(varying.max(), np.abs(mean).max(), 1 / varying.max())
    if ratio > WIDE:
        problem = f"the deviations of its columns go from {varying.min():.3g} to {varying.max():.3g}"
    elif size > WIDE:
        problem = f"its columns have means up to {np.abs(mean).max():.3g} and deviations up to {varying.max():.3g}"
    else:
        return
    advice = "scale='standard' brings each column to mean 0 and deviation 1, and samples back to your units"
    warnings.warn(f"x is far from mean 0 and deviation 1: {problem}; {advice}", DataWarning, stacklevel=stacklevel)


def _statistics(x: Array) -> tuple[Array, Array]:
    """Mean and deviation over all axes but the last, float64 (C,)."""
    rows = x.reshape(-1, x.shape[-1])
    return rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
