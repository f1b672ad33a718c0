"""How a model shows itself: one line for the prompt, a few for print, a small table in a notebook."""

from __future__ import annotations

import html
from dataclasses import fields
from typing import Any

from scorefield._names import parse
from scorefield.history import curve_svg
from scorefield.losses import Denoising
from scorefield.optim import SGD, Adam

Line = tuple[str, list[str]]


def lines(model: Any) -> list[Line]:
    """Return what there is to know about a model with a network: (word, facts) for each line."""
    schedule = [] if model.schedule is None else [repr(model.schedule)]
    facts = [f"shape {tuple(model.net.shape)}", *model._facts(), *schedule]
    return [(type(model).__name__, facts), network(model.net), training(model)]


def network(net: Any) -> Line:
    """Return the line of a network: the arguments it was made with and its size."""
    text = repr(net).removeprefix(type(net).__name__)
    return type(net).__name__, [text, f"{net.num_parameters:,} parameters"]


def training(model: Any) -> Line:
    """Return the line of the training: steps, the last fit's settings, the data's fingerprint, the last losses."""
    record, history = model._learner.stage.record, model.history
    if record is None:
        return "trained", ["not yet" if model.step == 0 else f"{model.step} steps"]
    settings = record["settings"]
    facts = [f"{model.step} steps", f"batch {settings['batch_size']}", f"seed {settings['seed']}"]
    facts += [
        f"EMA {settings['ema']:g}" if settings["ema"] else "no EMA",
        brief(settings["optimizer"]),
        brief(settings["loss"]),
    ]
    facts += [f"{record['rows']} rows, sha256 {record['data'][:12]}"]
    if history.events:
        facts += [f"loss {history.events[-1].loss:.4g}"]
    return "trained", facts


def brief(call: str) -> str:
    """Return a constructor call as text, without the arguments that say what they say by default."""
    try:
        value: Any = parse(call, "setting", {"Adam": Adam, "SGD": SGD, "Denoising": Denoising})
    except (TypeError, ValueError):
        return call
    told = [f for f in fields(value) if f.name == "lr" or getattr(value, f.name) != f.default]
    return f"{type(value).__name__}({', '.join(f'{f.name}={getattr(value, f.name)!r}' for f in told)})"


def as_text(model: Any) -> str:
    """Return the lines as text, words aligned."""
    shown = lines(model)
    width = max(len(word) for word, _ in shown)
    return "\n".join(f"{word:{width}}  {'  '.join(facts)}" for word, facts in shown)


def as_html(model: Any) -> str:
    """Return the lines as a table, with the curve of the loss; whatever comes from a user or a file is escaped."""
    cell = "style='text-align:left'"
    cells = "".join(
        f"<tr><th {cell}>{html.escape(word)}</th><td {cell}>{html.escape(', '.join(facts))}</td></tr>"
        for word, facts in lines(model)
    )
    return f"<table>{cells}</table>{curve_svg(model.history)}"
