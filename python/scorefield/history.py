"""What training reported: one row per event, as arrays by name, a table, or a small curve in a notebook."""

from __future__ import annotations

import html
import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = 10  #: equal parts of the time range in which the held-out loss is reported


@dataclass(frozen=True)
class Event:
    """One report of `fit`, made every `every` steps and at the end.

    step : steps made so far, over all calls of `fit`.
    loss, grad_norm : means over the steps since the last event (norm of the gradient before clipping).
    validation_loss : loss on the held-out data at fixed times and noise; nan without `validation`.
    bands : (10,) the same in ten equal parts of the time range; nan without `validation`, and in parts without a draw.
    samples_per_s : training samples per second since the last event.
    """

    step: int
    loss: float
    validation_loss: float = float("nan")
    bands: NDArray[np.float64] = field(default_factory=lambda: np.full(BANDS, np.nan), compare=False)
    grad_norm: float = float("nan")
    samples_per_s: float = float("nan")


NAMES = ("step", "loss", "validation_loss", "bands", "grad_norm", "samples_per_s")


class History(Mapping[str, NDArray[Any]]):
    """Events of a model's training as arrays: ``history["loss"]`` or ``history.loss``, an entry per event.

    Names: step (int64), loss, validation_loss, bands (events, 10), grad_norm, samples_per_s (float64).

    Example
    -------
    >>> history = History([Event(50, 0.9), Event(100, 0.5)])
    >>> history.loss.tolist(), history["step"].tolist()
    ([0.9, 0.5], [50, 100])
    """

    def __init__(self, events: Iterable[Event] = ()):
        self._events: tuple[Event, ...] = tuple(events)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in NAMES:
            raise KeyError(f"history has no {name!r}; it has {', '.join(NAMES)}")
        if name == "step":
            return np.array([event.step for event in self._events], np.int64)
        shape = (len(self._events), BANDS) if name == "bands" else (len(self._events),)
        return np.array([getattr(event, name) for event in self._events], np.float64).reshape(shape)

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name in NAMES:
            return self[name]
        raise AttributeError(f"history has no {name!r}; it has {', '.join(NAMES)}")

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events themselves, oldest first."""
        return self._events

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame: a row per event, indexed by step; bands as columns band_0 .. band_9."""
        pandas = importlib.import_module("pandas")
        columns = {name: self[name] for name in NAMES if name not in ("step", "bands")}
        columns |= {f"band_{i}": self["bands"][:, i] for i in range(BANDS)}
        return pandas.DataFrame(columns, index=pandas.Index(self["step"], name="step"))

    def __repr__(self) -> str:
        if not self._events:
            return "History(no events yet)"
        last = self._events[-1]
        held_out = "" if np.isnan(last.validation_loss) else f", held-out {last.validation_loss:.4g}"
        return f"History({len(self._events)} events, step {last.step}, loss {last.loss:.4g}{held_out})"

    def _repr_html_(self) -> str:
        return f"<div>{html.escape(repr(self))}</div>{curve_svg(self)}"


def curve_svg(history: History, width: int = 320, height: int = 80) -> str:
    """Return a picture (SVG) of the loss and, dashed, the held-out loss; on a logarithmic axis where it can be."""
    step, curves = history["step"], [history["loss"], history["validation_loss"]]
    values = np.concatenate(curves)
    values = values[np.isfinite(values)]
    if len(step) < 2 or len(values) < 2:
        return ""
    transform = np.log if values.min() > 0 else np.asarray
    low, high = transform(values.min()), transform(values.max())
    lines = []
    for curve, style in zip(curves, ("", ' stroke-dasharray="4 2"'), strict=True):
        drawn = np.flatnonzero(np.isfinite(curve))
        drawn = drawn[np.unique(np.linspace(0, len(drawn) - 1, min(len(drawn), width)).astype(int))]
        x = width * (step[drawn] - step[0]) / max(step[-1] - step[0], 1)
        y = 2 + (height - 4) * (high - transform(curve[drawn])) / max(high - low, 1e-300)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="currentColor"{style}/>')
    label = f"loss from {values.max():.3g} to {values.min():.3g}"
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(lines)}</svg>"
    )
