"""Paths that move."""

from typing import Any

import numpy as np

from scorefield._arrays import Array, integer, number, real_array
from scorefield.plot._style import BLUE, INK, new_figure, pyplot
from scorefield.plot.pictures import CELL, DPI, columns_of, enlargement, mosaic, shades, show
from scorefield.plot.plane import Limits, _limits, _plane


def animate(
    path: Any,
    *,
    ax: Any = None,
    limits: Limits = None,
    columns: int | None = None,
    frames: int = 60,
    seconds: float = 4.0,
    **kwargs: Any,
) -> Any:
    """Let a trajectory run: points in the plane, or a grid of images.

    path : a Trajectory, or anything with t (S + 1,) and x (S + 1, n, 2) or (S + 1, n, H, W, 1 or 3).
    limits : of the plane, as in `trajectory`; of images, values shown as black and white, by default (-1, 1).
    columns : of images.   frames : at most so many, evenly taken from the steps; the last one stays for a second.
    seconds : the whole length without that.   kwargs : for `Axes.scatter` or `Axes.imshow`.
    Returns a matplotlib animation: `.save("x.gif")` needs Pillow only, `.to_jshtml()` shows it in a notebook.
    """
    t, x = real_array(path.t, "path.t", dtype=np.float64), real_array(path.x, "path.x")
    frames, seconds = integer(frames, "frames", 2), number(seconds, "seconds", 0.0, open_low=True)
    chosen = np.unique(np.linspace(0, len(t) - 1, min(frames, len(t))).round().astype(int))
    if x.ndim == 3 and x.shape[2] == 2:
        draw, figure = _points(x, chosen, ax, limits, kwargs)
    elif x.ndim == 5 and x.shape[-1] in (1, 3):
        draw, figure = _images(x, columns, ax, limits, kwargs)
    else:
        raise ValueError(f"path.x must have shape (S + 1, n, 2) or (S + 1, n, H, W, 1 or 3), got {x.shape}")
    return _animation(figure, draw, t, chosen, seconds)


def _points(x: Array, chosen: Any, ax: Any, limits: Limits, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    figure, ax = _canvas(ax, 4.2, 4.2)
    _plane(ax, *_limits(limits, x[chosen].reshape(-1, 2).astype(np.float64)))
    dots = ax.scatter(*x[0].T, **{"s": 4, "color": BLUE, "alpha": 0.6, "linewidth": 0, **kwargs})
    clock = ax.set_title("", color=INK, fontsize=9, loc="left")

    def draw(i: int, time: str) -> tuple[Any, ...]:
        dots.set_offsets(x[i])
        clock.set_text(time)
        return dots, clock

    return draw, figure


def _images(x: Array, columns: int | None, ax: Any, limits: Limits, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    low, high = (-1.0, 1.0) if limits is None else _limits(limits, None)[0]
    columns = columns_of(x.shape[1], columns)
    zoom = enlargement(x.shape[1:], columns, CELL)
    first, _, _ = mosaic(x[0], columns, (low, high), zoom)
    figure, ax = _canvas(ax, first.shape[1] / DPI + 0.2, first.shape[0] / DPI + 0.35)
    show(ax, first, x.shape[-1], (low, high), kwargs)
    clock = ax.set_title("", color=INK, fontsize=9, loc="left")
    image = ax.images[-1]

    def draw(i: int, time: str) -> tuple[Any, ...]:
        picture, _, _ = mosaic(x[i], columns, (low, high), zoom)
        image.set_data(shades(picture, (low, high)) if x.shape[-1] == 1 else picture)
        clock.set_text(time)
        return image, clock

    return draw, figure


def _canvas(ax: Any, width: float, height: float) -> tuple[Any, Any]:
    if ax is not None:
        return ax.figure, ax
    figure, ax = new_figure(width, height, layout="constrained")
    figure.set_dpi(90)
    pyplot().close(figure)  # the animation owns it; a notebook would show its first frame beside it
    return figure, ax


def _animation(figure: Any, draw: Any, t: Array, chosen: Any, seconds: float) -> Any:
    from matplotlib.animation import FuncAnimation

    interval = 1000 * seconds / len(chosen)
    order = np.concatenate([chosen, np.full(round(1000 / interval), chosen[-1])])
    return FuncAnimation(
        figure, lambda i: draw(i, f"t = {t[i]:.3g}"), [int(i) for i in order], interval=interval, blit=False
    )
