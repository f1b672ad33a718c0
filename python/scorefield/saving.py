"""A model as a file's content, and back: configuration in JSON, arrays by name; the same for every model that is
trained.

Tensors: theta; state.* (moments, average, counters: what the core's trainer calls its state); history.*; those of the
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield import _core
from scorefield._names import parse
from scorefield.checkpoint import Expected, Reader, guarded
from scorefield.history import BANDS, Event, History
from scorefield.learner import AVERAGE, Stage
from scorefield.optim import SGD, Adam

Array = NDArray[Any]
OPTIMIZERS = {"Adam": Adam, "SGD": SGD}
KEPT = ("step", "loss", "validation_loss", "bands", "grad_norm")  # of the history; speed belongs to the machine
SETTINGS: dict[str, type | tuple[type, ...]] = {
    "batch_size": int,
    "optimizer": str,
    "loss": str,
    "times": str,
    "ema": (int, float),
    "p_uncond": (int, float),
    "condition_noise": (int, float),
    "shards": int,
    "seed": str,
}


def content(stage: Stage) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return (configuration, tensors) of what training has made."""
    tensors = {"theta": stage.theta, **{f"state.{name}": array for name, array in stage.state.items()}}
    if stage.history.events:
        tensors |= {f"history.{name}": stage.history[name] for name in KEPT}
    return {"step": stage.step, "training": stage.record, "events": len(stage.history.events)}, tensors


def read_stage(
    reader: Reader, size: int, schedule: Any, extra: Mapping[str, Expected]
) -> tuple[Stage, dict[str, Array]]:
    """Return the stage of a file, whose network has `size` parameters, and the model's own tensors (`extra`)."""
    step, record, events = _whole(reader, "step"), _record(reader), _whole(reader, "events")
    state = {} if record is None else _expected_state(reader, record["settings"], size, schedule)
    expected = {"theta": Expected((size,)), **state, **_expected_history(events), **extra}
    tensors = reader.tensors(expected)
    own = {name.removeprefix("state."): tensors[name] for name in state}
    stage = Stage(tensors["theta"], step, own, _history(tensors, events), record)
    return stage, {name: tensors[name] for name in extra}


def _whole(reader: Reader, name: str, within: Mapping[str, Any] | None = None) -> int:
    value: int = reader.field(name, int, within=within)
    if not 0 <= value < 2**32:
        reader.fail(name, f"expected 0 <= {name} < 2^32, got {value}")
    return value


def _record(reader: Reader) -> dict[str, Any] | None:
    record: dict[str, Any] | None = reader.field("training", (dict, type(None)))
    if record is None:
        return None
    for name in ("begin", "end", "rows"):
        _whole(reader, name, record)
    reader.field("data", str, within=record)
    settings = reader.field("settings", dict, within=record)
    for name, kind in SETTINGS.items():
        reader.field(name, kind, within=settings)
    return record


def _expected_state(reader: Reader, settings: Mapping[str, Any], size: int, schedule: Any) -> dict[str, Expected]:
    """Return what the trainer that made the file calls its state: optimiser, average, time sampler."""
    rule = guarded(reader, "optimizer", lambda: parse(settings["optimizer"], "optimizer", OPTIMIZERS))
    state = guarded(reader, "optimizer", lambda: rule.init(np.zeros(size, np.float32)))
    if settings["ema"] > 0:
        state |= {AVERAGE: np.empty(size, np.float32), "ema.step": np.empty(1, np.uint64)}
    if schedule is not None:
        times = guarded(reader, "times", lambda: _core.TimeSampler(settings["times"], schedule._core).state())
        state |= {f"times.{name}": array for name, array in times.items()}
    return {f"state.{name}": Expected.like(np.asarray(array)) for name, array in state.items()}


def _expected_history(events: int) -> dict[str, Expected]:
    if events == 0:
        return {}
    shapes = {name: (events, BANDS) if name == "bands" else (events,) for name in KEPT}
    return {
        f"history.{name}": Expected(s, "I64" if name == "step" else "F64", finite=False) for name, s in shapes.items()
    }


def _history(tensors: Mapping[str, Array], events: int) -> History:
    columns = {name: tensors[f"history.{name}"] for name in KEPT} if events else {}
    plain = {name: array if name == "bands" else array.tolist() for name, array in columns.items()}
    return History(Event(**{name: column[i] for name, column in plain.items()}) for i in range(events))
