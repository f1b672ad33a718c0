"""The two pictures of a run: ratios as bars beside their goals, and learning curves on each other."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from benchmarks.report import Row
from benchmarks.results import Overlay

OURS, THEIRS = "#1f6f8b", "#d1813b"


def ratios(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Bars of PyTorch's time over ours with marks for must and aim, on a logarithmic axis. Returns None."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.unit == "s"][::-1]
    figure = Figure(figsize=(7.5, 0.8 + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(rows)))
    axes.barh(places, [row.ratio for row in rows], color=OURS, height=0.7)
    for place, row in zip(places, rows, strict=True):
        axes.text(0.97, place, f"{row.ratio:.1f}", va="center", ha="right", color="white", fontsize=8)
        for value, color in ((row.goal.must, "black"), (row.goal.aim, "0.55")) if row.goal else ():
            axes.plot([value, value], [place - 0.4, place + 0.4], color=color, lw=1.6)
    axes.axvline(1, color="white", lw=0.8)
    axes.set_xscale("log")
    ticks = [1, 2, 3, 5, 10, 20, 50]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(places, [row.work for row in rows], fontsize=8)
    axes.set_xlim(0.75, 1.1 * max(row.ratio for row in rows))
    axes.margins(y=0.01)
    axes.set_xlabel("PyTorch's time over ours, 2 threads; black: promised, grey: hoped for")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def losses(overlay: Overlay, path: pathlib.Path) -> None:
    """Each seed's curve thin, the mean of the seeds thick. Returns None."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for name, curves, color in (("PyTorch", overlay.theirs, THEIRS), ("scorefield", overlay.ours, OURS)):
        steps = overlay.window * (np.arange(len(curves[0])) + 0.5)
        axes.plot(steps, np.transpose(curves), color=color, lw=0.6, alpha=0.5)
        axes.plot(steps, np.mean(curves, axis=0), color=color, lw=2, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("training step")
    axes.set_ylabel(f"loss, mean of {overlay.window} steps")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
