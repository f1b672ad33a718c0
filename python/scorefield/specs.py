"""Networks and schedules as JSON values and back: class name and constructor arguments, from closed tables, within
bounds.

What a file says is never imported or evaluated: names are looked up in a table, arguments are numbers, text and
lists, and sizes are checked before anything of their size is made.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from scorefield.checkpoint import Reader, guarded, shorten
from scorefield.errors import ScheduleWarning
from scorefield.networks import MLP, Encoder, Network, UNet
from scorefield.schedules import SCHEDULES, Schedule

NETWORKS: dict[str, type[Network]] = {"MLP": MLP, "UNet": UNet, "Encoder": Encoder}
LONGEST_TABLE = 100_000  #: betas of a schedule
MOST_STEPS = 10**6  #: T of a schedule
WIDEST = 65_536  #: channels, height, classes of a network
MOST_LAYERS = 1_024


def network_spec(net: Network) -> dict[str, Any]:
    """Return {"class": name, argument: value, ...}; ValueError for a class that a file could not bring back."""
    return _spec(net, "network", NETWORKS, net._arguments())


def schedule_spec(schedule: Schedule) -> dict[str, Any]:
    """Return {"class": name, argument: value, ...}; ValueError for a class that a file could not bring back."""
    return _spec(schedule, "schedule", SCHEDULES, {k.strip("_"): v for k, v in schedule._state().items()})


def read_network(reader: Reader) -> Network:
    """Make the network that a file describes, its theta still as the constructor makes it.

    The number of its parameters is compared with the file's theta before an array of that size is made.
    """
    kind, arguments = _arguments(reader, "network", NETWORKS, longest=MOST_LAYERS, largest=WIDEST)
    widths = arguments.get("widths", ())
    layers = (len(widths) if isinstance(widths, tuple) else 1) * arguments.get("depth", 1)
    if not isinstance(layers, int) or layers > MOST_LAYERS:
        reader.fail("network", f"{shorten(layers)} layers, more than the {MOST_LAYERS} that are read")
    count = guarded(reader, "network", lambda: kind._count(arguments))
    if reader.shape("theta") != (count,):
        reader.fail("tensor theta", f"the network has {count} parameters, got shape {reader.shape('theta')}")
    net: Network = guarded(reader, "network", lambda: kind(**arguments))
    return net


def read_schedule(reader: Reader) -> Schedule:
    """Make the schedule that a file describes. It warns nobody: who made it has been warned."""
    kind, arguments = _arguments(reader, "schedule", SCHEDULES, longest=LONGEST_TABLE, largest=MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScheduleWarning)
        schedule: Schedule = guarded(reader, "schedule", lambda: kind(**arguments))
    return schedule


def _spec(value: Any, what: str, table: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    name = type(value).__name__
    if table.get(name) is not type(value):
        raise ValueError(f"a {what} of class {name} cannot be saved: loading knows only {', '.join(sorted(table))}")
    return {"class": name, **{key: _to_json(argument) for key, argument in arguments.items()}}


def _to_json(value: Any) -> Any:
    return [_to_json(entry) for entry in value] if isinstance(value, tuple | list) else value


def _arguments(
    reader: Reader, field: str, table: Mapping[str, Callable[..., Any]], *, longest: int, largest: int
) -> tuple[Any, dict[str, Any]]:
    """Return the class and the checked arguments that field `field` names."""
    given = dict(reader.field(field, dict))
    name = reader.field("class", str, within=given)
    if name not in table:
        reader.fail(field, f"unknown class {shorten(name)}; known: {', '.join(sorted(table))}")
    del given["class"]
    unknown = sorted(set(given) - set(inspect.signature(table[name]).parameters))
    if unknown:
        reader.fail(field, f"{name} takes no {shorten(unknown)}")
    bounds = {key: math.inf if key == "seed" else largest for key in given}
    return table[name], {k: _checked(reader, f"{field}.{k}", v, longest, bounds[k]) for k, v in given.items()}


def _checked(reader: Reader, field: str, value: Any, longest: int, largest: float, depth: int = 0) -> Any:
    if isinstance(value, list):
        if len(value) > longest or depth > 1:
            reader.fail(field, f"a list of {len(value)} entries, {depth} lists deep, is more than is read")
        return tuple(_checked(reader, field, entry, longest, largest, depth + 1) for entry in value)
    if isinstance(value, dict):
        reader.fail(field, f"expected a number, text, null or a list, got {shorten(value)}")
    if isinstance(value, int) and abs(value) > largest:
        reader.fail(field, f"{shorten(value)} is more than the {largest} that are read")
    return value
