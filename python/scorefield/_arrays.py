"""What comes in is checked here, once: arrays, labels, seeds, numbers.

Messages say what came, what was expected, what to do.
"""

import math
import operator
import secrets
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._names import closest

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]
Dims = Sequence[int | str | None]

NUMBER_KINDS = "fiu"  # dtype.kind of floats, signed and unsigned integers


def real_array(
    a: object,
    name: str,
    *,
    shape: Dims | None = None,
    dtype: npt.DTypeLike = np.float32,
    finite: bool = True,
    images: bool = False,
    empty: bool = False,
    copy: bool = False,
) -> Array:
    """Give `a` as a C-contiguous, aligned array of native `dtype`.

    shape : expected lengths; an int is exact, a letter any length (equal letters, equal lengths), None any length.
    finite : refuse NaN and infinity, also values that become infinite in `dtype`.
    images : refuse uint8 pixels and point to `from_uint8`.   empty : allow arrays without elements.
    copy : always a fresh, writable array. Otherwise the result may share memory with `a`, and is read-only then.

    Converted: integers, float16, long double, other byte orders, any strides, pandas, CPU tensors.
    Refused with TypeError: bool, complex, text, objects, dates, structures, masked arrays.
    Refused with ValueError: shapes and non-finite values. The input is never modified.

    >>> real_array([[1, 2], [3, 4]], "x", shape=("n", 2)).dtype
    dtype('float32')
    """
    array = _as_numbers(a, name, images=images)
    _check_size(array, name, empty=empty)
    if shape is not None:
        check_shape(array.shape, name, shape)
    with np.errstate(all="ignore"):  # an overflow is reported below, with its place
        out = np.require(array, np.dtype(dtype).newbyteorder("="), ["C", "A"])
    if finite:
        _check_finite(out, array, name)
    return _owned(out, array, a, copy=copy)


def _as_numbers(a: object, name: str, *, images: bool) -> Array:
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; fill it first: {name}.filled(value)")
    array = _as_array(a, name)
    if images and array.dtype == np.uint8:
        raise TypeError(f"{name} holds uint8 pixels; images are floats in [-1, 1] here, use sf.from_uint8({name})")
    if array.dtype.kind not in NUMBER_KINDS:
        advice = {"c": f"; take {name}.real", "b": f"; use {name}.astype(float) if 0 and 1 are meant"}
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{advice.get(array.dtype.kind, '')}")
    return array


def _as_array(a: object, name: str) -> Array:
    try:
        return np.asarray(a)
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign object's __array__ or a ragged list raises
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{name} cannot be read as an array ({type(a).__name__}): {error}") from error


def _check_size(array: Array, name: str, *, empty: bool) -> None:
    if array.size == 0 and not empty:
        raise ValueError(f"{name} is empty: shape {array.shape}; at least one element is needed")


def check_shape(got: tuple[int, ...], name: str, expected: Dims) -> None:
    """Raise a ValueError unless the lengths `got` fit `expected` (see `real_array`); returns None."""
    known: dict[str, int] = {}
    fits = len(got) == len(expected)
    for length, want in zip(got, expected, strict=False):
        if isinstance(want, str):
            fits = fits and known.setdefault(want, length) == length
        elif want is not None:
            fits = fits and length == want
    if not fits:
        raise ValueError(f"{name} must have shape {_written(expected)}, got {got}{_advice(got, name, tuple(expected))}")


def _written(expected: Dims) -> str:
    dims = ["any" if want is None else str(want) for want in expected]
    return f"({dims[0]},)" if len(dims) == 1 else f"({', '.join(dims)})"


def _advice(got: tuple[int, ...], name: str, expected: tuple[int | str | None, ...]) -> str:
    """Say what to do about the three slips that happen most."""
    if len(expected) >= 2 and got == expected[1:]:
        return f"; for one sample use {name}[None]"
    if len(expected) >= 3 and expected[-1] == 1 and got[1:] == expected[1:-1]:
        return f"; the last axis holds the channels, use {name}[..., None]"
    if len(expected) == 4 == len(got) and got[1:] == (expected[3], *expected[1:3]):
        return f"; images are (n, H, W, C) here, use {name}.transpose(0, 2, 3, 1)"
    return ""


def _check_finite(out: Array, source: Array, name: str) -> None:
    bad = ~np.isfinite(out)
    count = int(np.count_nonzero(bad))
    if count == 0:
        return
    first = [int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape)]
    what = f"{count} non-finite value{'s' if count > 1 else ''}"
    if np.isfinite(source[tuple(first)]):
        what = f"{count} value{'s' if count > 1 else ''} too large for {out.dtype}"
    place = f", first at {first}" if first else ""
    raise ValueError(f"{name} holds {what}{place}")


def _owned(out: Array, array: Array, a: object, *, copy: bool) -> Array:
    """A fresh array as it is; one in the memory of the caller as a copy, or as a view that cannot be written."""
    if not np.may_share_memory(out, array) or isinstance(a, list | tuple | int | float):
        return out
    if copy:
        return out.copy()
    view = out.view()
    view.flags.writeable = False
    return view


def label_array(labels: object, name: str = "labels", *, n: int | None = None, classes: int | None = None) -> Labels:
    """Give class labels as int64, shape (k,), with -1 for None (no label).

    labels : an int, or a sequence in which None and -1 are allowed.   n : rows; one int stands for n.
    classes : labels must be in 0..classes - 1.

    >>> label_array([3, None, 1], n=3)
    array([ 3, -1,  1])
    """
    array = _integers(labels, name)
    if array.ndim == 0:
        array = np.full(1 if n is None else n, array)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one int or have shape ({'n' if n is None else n},), got shape {array.shape}")
    _check_size(array, name, empty=False)
    if n is not None and len(array) != n:
        raise ValueError(f"{name} must hold {n} entries, one for each row, got {len(array)}")
    top = (1 << 63) if classes is None else classes
    bad = np.flatnonzero((array < -1) | (array >= top))
    if len(bad):
        allowed = ">= 0" if classes is None else f"in 0..{classes - 1}"
        raise ValueError(f"{name} must be {allowed} (None or -1: no label), got {array[bad[0]]} at [{bad[0]}]")
    return np.array(array, np.int64)


def _integers(labels: object, name: str) -> Array:
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; use None or -1 for rows without a label")
    array = _as_array(labels, name)
    if array.dtype == object:
        array = _as_array([-1 if label is None else label for label in array.ravel()], name).reshape(array.shape)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, or None for no label, got dtype {array.dtype}")
    return array


def seed_number(seed: object) -> int:
    """Check a seed: an integer in [0, 2^64); None draws one from the operating system. Returns an int."""
    if seed is None:
        return secrets.randbits(64)
    return integer(seed, "seed", 0, (1 << 64) - 1)


def integer(value: object, name: str, low: int | None = None, high: int | None = None) -> int:
    """Check that value is an integer (NumPy's count, bool does not) with low <= value <= high. Returns an int."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an integer, got the bool {value}")
    try:
        result = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {_shown(value)}") from None
    if (low is not None and result < low) or (high is not None and result > high):
        raise ValueError(f"{name} must be an integer {_range(low, high)}, got {result}")
    return result


def number(
    value: object,
    name: str,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    finite: bool = True,
) -> float:
    """Check that value is a real number in [low, high], without an end that is said to be open. Returns a float.

    NaN is always refused; infinity passes with finite=False if the range holds it.
    """
    if isinstance(value, bool | np.bool_ | str | bytes | complex | np.complexfloating):
        raise TypeError(f"{name} must be a number, got {_shown(value)}")
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number, got {_shown(value)}") from None
    inside = (low < result if open_low else low <= result) and (result < high if open_high else result <= high)
    if not inside or (finite and math.isinf(result)):
        raise ValueError(f"{name} must be a number{_interval(low, high, open_low, open_high)}, got {result}")
    return result


def switch(value: object, name: str) -> bool:
    """Check that value is True or False (NumPy's count). Returns a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)


def choice(value: object, name: str, names: Sequence[str]) -> str:
    """Check that value is one of `names`, case and `_` ignored. Returns the name as written in `names`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, names))}, got {_shown(value)}")
    spelled = {key.replace("_", "").lower(): key for key in names}
    found = spelled.get(value.replace("_", "").lower())
    if found is None:
        raise ValueError(f"unknown {name} {value!r}{closest(value, names)} Known: {', '.join(names)}")
    return found


def _shown(value: object) -> str:
    if value is None or isinstance(value, EllipsisType):
        return repr(value)
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _range(low: int | None, high: int | None) -> str:
    if high is None:
        return f">= {low}"
    return f"<= {high}" if low is None else f"in {low}..{high}"


def _interval(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return f" {'>' if open_low else '>='} {low:g}"
    if low == -math.inf:
        return f" {'<' if open_high else '<='} {high:g}"
    return f" in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
