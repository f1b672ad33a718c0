"""Orders of solvers: error against steps on two logarithmic axes."""

from itertools import cycle
from typing import Any

from scorefield.plot._style import GREY, INK, LINES, own_axes, tidy

MARKS = "osD^vPX"  # one fewer than there are colours, so that pairs do not come back soon


def convergence(table: Any, *, against: str = "calls", ax: Any = None, **kwargs: Any) -> Any:
    """Show how errors fall: a line a sampler, log against log, with the slopes of orders 1 to 4 in grey.

    table : what `sf.metrics.convergence` gives, or some of its rows.   against : "calls" of the denoiser, or "steps".
    ax : an Axes.   kwargs : for `Axes.plot`.   Returns the Axes.

    >>> import scorefield as sf
    >>> exact = sf.GaussianMixture([[-1.0], [1.0]], stds=0.5).denoiser(sf.schedules.VP())
    >>> grid = sf.grids.LogSNR(t_end=0.01)
    >>> ax = convergence(sf.metrics.convergence(exact, ["ddim", "heun"], steps=(8, 16), grid=grid, n=8))
    """
    if against not in ("calls", "steps"):
        raise ValueError(f"against must be 'calls' or 'steps', got {against!r}")
    ax = own_axes(ax, 7.2, 4.6)
    for row, colour, mark in zip(table, cycle(LINES), cycle(MARKS), strict=False):
        look = {"color": colour, "marker": mark, "ms": 4, "lw": 1.4, "label": f"{row.sampler!r}", **kwargs}
        ax.plot(getattr(row, against), row.error, **look)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    _slopes(ax)
    tidy(ax, x=f"{against} of a run" if against == "steps" else "calls of the denoiser", y="median error")
    ax.legend(frameon=False, fontsize=7, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _slopes(ax: Any) -> None:
    """Grey lines of order 1 to 4 through the upper left corner, behind the data, within the limits as they are."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for order in (1, 2, 3, 4):
        end = min(right, left * (top / bottom) ** (1 / order))
        height = top * (end / left) ** -order
        ax.plot([left, end], [top, height], color=GREY, lw=0.7, ls=":", zorder=0)
        ax.annotate(f"{order}", (end, height), color=GREY, fontsize=8, ha="right", va="bottom")
    ax.set(xlim=(left, right), ylim=(bottom, top))
