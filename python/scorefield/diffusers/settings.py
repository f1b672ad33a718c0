"""A JSON file of a folder, read with distrust: every value is asked for with the types it may have."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from scorefield.checkpoint import shorten
from scorefield.errors import FormatError

LARGEST = 16 * 2**20  #: bytes of a JSON file
NUMBER = (int, float)
NOTHING = type(None)

Kinds = type | tuple[type, ...]


class Settings:
    """The values of one file, with defaults for those that it leaves out.

    path : named in every complaint.   values : what the file says.   defaults : values of absent keys.
    """

    def __init__(self, path: Path, values: Mapping[str, Any], defaults: Mapping[str, Any]):
        self.path, self._values = path, {**defaults, **values}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str, kinds: Kinds) -> Any:
        """Return the value of `name`, which must have one of the types; bool is no int."""
        if name not in self._values:
            self.fail(name, "is missing")
        value, allowed = self._values[name], kinds if isinstance(kinds, tuple) else (kinds,)
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            expected = " or ".join("null" if kind is NOTHING else kind.__name__ for kind in allowed)
            self.fail(name, f"expected {expected}, got {shorten(value)}")
        return value

    def choice(self, name: str, options: Mapping[Any, Any]) -> Any:
        """Return what `options` holds under the value of `name`; any other value is refused by its name."""
        value = self.get(name, (str, bool, NOTHING, *NUMBER))
        if value not in options or (value is not None and type(value) not in {type(known) for known in options}):
            known = ", ".join(json.dumps(option) for option in options)
            self.fail(name, f"{shorten(value)} is not supported; supported: {known}")
        return options[value]

    def list_of(self, name: str, kinds: Kinds, longest: int) -> list[Any]:
        """Return the list `name`, whose entries all have one of the types."""
        entries = self.get(name, list)
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        if len(entries) > longest:
            self.fail(name, f"{len(entries)} entries, more than the {longest} that are read")
        for entry in entries:
            if not isinstance(entry, allowed) or isinstance(entry, bool):
                expected = " or ".join(kind.__name__ for kind in allowed)
                self.fail(name, f"expected a list of {expected}, got the entry {shorten(entry)}")
        return list(entries)

    def built(self, name: str, build: Callable[[], Any]) -> Any:
        """Return build(), fed from this file; what it refuses becomes a FormatError about `name`."""
        try:
            return build()
        except FormatError:
            raise
        except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
            self.fail(name, shorten(str(error), 300))

    def fail(self, name: str, problem: str) -> NoReturn:
        """Raise FormatError about `name`."""
        raise FormatError(f"{self.path}: {name}: {problem}")


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. FormatError if it holds none, OSError if the system says no."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise FormatError(f"{path}: more than the {LARGEST} bytes of JSON that are read")
    try:
        value = json.loads(data.decode(), parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {shorten(str(error))}") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path}: expected an object, got {shorten(value)}")
    return value


def _constant(name: str) -> float:
    if name == "-Infinity":  # the published default of lambda_min_clipped
        return -float("inf")
    raise ValueError(f"{name} is no JSON number")


def to_json(values: Mapping[str, Any]) -> bytes:
    """Return the bytes of the file: two spaces, sorted keys, a newline, as diffusers writes them."""
    return (json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
