"""Tensors of a weight file: their shapes at once, their numbers as float32 when asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from scorefield.checkpoint import MAX_BYTES, _check_size, shorten
from scorefield.errors import FormatError

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4"}


@dataclass(frozen=True)
class Entry:
    """One tensor of a file.   read : gives its numbers, float32, shape `shape`."""

    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.float32]]


def widened(data: bytes | memoryview, dtype: str) -> NDArray[np.float32]:
    """Return the flat numbers of `data` as float32; bfloat16 is the upper half of a float32."""
    if dtype == "bfloat16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype).astype(np.float32)


def read_safetensors(path: Path) -> dict[str, Entry]:
    """Return the tensors of a .safetensors file by name; FormatError if it is none."""
    _check_size(path, MAX_BYTES)
    try:
        with safe_open(path, framework="numpy") as file:  # checks the whole header
            names = set(file.keys())
    except SafetensorError as error:
        raise FormatError(f"{path}: not a valid safetensors file: {shorten(str(error))}") from None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {name: _entry(path, name, header[name], 8 + length) for name in sorted(names)}


def _entry(path: Path, name: str, told: Any, begin: int) -> Entry:
    if told["dtype"] not in DTYPES:
        raise FormatError(f"{path}: tensor {shorten(name)}: type {shorten(told['dtype'])} is not supported")
    first, last = told["data_offsets"]
    shape, dtype = tuple(told["shape"]), DTYPES[told["dtype"]]
    if math.prod(shape) * (2 if dtype == "bfloat16" else np.dtype(dtype).itemsize) != last - first:
        raise FormatError(f"{path}: tensor {shorten(name)}: {last - first} bytes for shape {shorten(shape)}")

    def read() -> NDArray[np.float32]:
        with path.open("rb") as file:
            file.seek(begin + first)
            data = file.read(last - first)
        if len(data) != last - first:
            raise FormatError(f"{path}: tensor {shorten(name)}: the file is cut short")
        return widened(data, dtype).reshape(shape)

    return Entry(shape, read)
