"""Colours and the bare look that all pictures share."""

import importlib
import sys
from typing import Any

INK, GREY, PALE = "#22303c", "#8a97a3", "#dde3e8"
BLUE, ORANGE = "#2b6a99", "#d97b29"
LINES = (BLUE, ORANGE, "#4c9a75", "#a6466b", "#7a6cab", "#b3912f", "#5fa8b8", "#6b7680")
DENSITY = ("#ffffff", "#dbe8f0", "#9cc1d9", "#4f8fb9", "#1f5a8a", "#10304f")  # white to deep blue


def pyplot() -> Any:
    """Import matplotlib.pyplot, or say which extra brings it."""
    try:
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise ImportError('plots need matplotlib; pip install "scorefield[plot]"', name="matplotlib") from None


def colours(stops: tuple[str, ...]) -> Any:
    """Give a smooth colour map through `stops`, at even distances."""
    return importlib.import_module("matplotlib.colors").LinearSegmentedColormap.from_list("scorefield", stops)


def density_colours() -> Any:
    """White to deep blue, rising fast at first, so that a broad low hill is seen beside a high one."""
    places = [(k / (len(DENSITY) - 1)) ** 1.7 for k in range(len(DENSITY))]
    maps = importlib.import_module("matplotlib.colors").LinearSegmentedColormap
    return maps.from_list("density", list(zip(places, DENSITY, strict=True)))


def new_figure(width: float, height: float, columns: int = 1, **kwargs: Any) -> tuple[Any, Any]:
    """Give (Figure, Axes or row of Axes) of a size in inches, sharp enough to save as it is."""
    figure, axes = pyplot().subplots(1, columns, figsize=(width, height), dpi=110, **kwargs)
    return figure, axes


def own_axes(ax: Any, width: float = 4.6, height: float = 4.6) -> Any:
    """Give `ax`, or the Axes of a new Figure with tight margins."""
    return ax if ax is not None else new_figure(width, height, layout="constrained")[1]


def as_value(figure: Any) -> Any:
    """Give the Figure; in a notebook that draws inline it shows once, as the value of its cell, not once more at its
    end.
    """
    if "inline" in pyplot().get_backend() and "IPython" in sys.modules:
        pyplot().close(figure)
    return figure


def tidy(ax: Any, *, x: str = "", y: str = "", title: str = "") -> None:
    """Thin grey axes on two sides, small text, no frame."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.tick_params(colors=GREY, labelcolor=INK, labelsize=8, length=3)
    ax.tick_params(which="minor", length=0, labelcolor=INK, labelsize=8)
    ax.set_xlabel(x, color=INK, fontsize=9)
    ax.set_ylabel(y, color=INK, fontsize=9)
    ax.set_title(title, color=INK, fontsize=10, loc="left")


def legend(ax: Any, **kwargs: Any) -> None:
    """A legend without a frame, in small type."""
    ax.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.6, **kwargs)
