"""What happens in the plane (and on the line): paths of particles, fields of scores, densities."""

from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, integer, real_array
from scorefield.plot._style import BLUE, GREY, INK, ORANGE, colours, density_colours, own_axes, tidy

Range = tuple[float, float]
Limits = Range | tuple[Range, Range] | None


def trajectory(
    path: Any, count: int = 100, density: bool = False, *, ax: Any = None, limits: Limits = None, **kwargs: Any
) -> Any:
    """Show the paths of particles, in the plane or (for one number per particle) over time.

    path : a Trajectory, or anything with t (S + 1,) and x (S + 1, n, 2) or (S + 1, n, 1).
    count : paths drawn, the first of them.   density : shade the density of all particles: where they end, or at every
    time.
    limits : (low, high) for both axes, or one pair for each; on the line of the values. None: from the particles.
    kwargs : for the LineCollection of the paths.   Returns the Axes.

    >>> from types import SimpleNamespace
    >>> ax = trajectory(SimpleNamespace(t=np.linspace(1, 0, 5), x=np.zeros((5, 10, 2))), count=3)
    """
    t, x = real_array(path.t, "path.t", dtype=np.float64), real_array(path.x, "path.x", dtype=np.float64)
    count = integer(count, "count", 0)
    if x.ndim != 3 or x.shape[2] not in (1, 2):
        raise ValueError(
            f"path.x must have shape (S + 1, n, 1) or (S + 1, n, 2), got {x.shape}; choose two columns, x[..., :2]"
        )
    ax = own_axes(ax, *((4.6, 4.6) if x.shape[2] == 2 else (6.0, 3.4)))
    if x.shape[2] == 2:
        return _paths_in_plane(ax, x, count, density, limits, kwargs)
    return _paths_over_time(ax, t, x[..., 0], count, density, limits, kwargs)


def _paths_in_plane(ax: Any, x: Array, count: int, density: bool, limits: Limits, kwargs: dict[str, Any]) -> Any:
    horizontal, vertical = _limits(limits, x.reshape(-1, 2))
    if density:
        _shade(ax, x[-1], horizontal, vertical)
    _lines(ax, x[:, :count].transpose(1, 0, 2), kwargs)
    ax.scatter(*x[0, :count].T, s=7, facecolor="white", edgecolor=GREY, linewidth=0.7, zorder=3)
    if not density:
        ax.scatter(*x[-1].T, s=3, color=BLUE, alpha=0.25, linewidth=0, zorder=2)
    ax.scatter(*x[-1, :count].T, s=9, color=BLUE, linewidth=0, zorder=4)
    return _plane(ax, horizontal, vertical)


def _paths_over_time(
    ax: Any, t: Array, x: Array, count: int, density: bool, limits: Limits, kwargs: dict[str, Any]
) -> Any:
    low, high = _limits(limits, np.stack([x.ravel(), x.ravel()], 1))[0]
    if density:
        edges = np.linspace(low, high, 81)
        share = np.stack([np.histogram(row, edges, density=True)[0] for row in x], 1)  # (80, S + 1)
        top = np.quantile(share[share > 0], 0.98) if (share > 0).any() else 1.0
        middles = (edges[1:] + edges[:-1]) / 2
        ax.pcolormesh(
            t, middles, share, cmap=density_colours(), vmin=0, vmax=top, shading="gouraud", rasterized=True, zorder=0
        )
    times = np.broadcast_to(t, (min(count, x.shape[1]), len(t)))
    _lines(ax, np.stack([times, x[:, :count].T], 2), {"color": INK if density else BLUE, "alpha": 0.35, **kwargs})
    ax.set(xlim=(t[0], t[-1]), ylim=(low, high))
    tidy(ax, x="t", y="x")
    return ax


def _lines(ax: Any, segments: Array, kwargs: dict[str, Any]) -> None:
    from matplotlib.collections import LineCollection

    options = {"color": GREY, "lw": 0.7, "alpha": 0.5, "capstyle": "round", **kwargs}
    ax.add_collection(LineCollection(list(segments), **options))


def score_field(
    model: Any,
    t: float | None = None,
    data: npt.ArrayLike | None = None,
    *,
    ax: Any = None,
    limits: Limits = None,
    arrows: int = 22,
    **kwargs: Any,
) -> Any:
    """Show the score of a model in the plane: arrows point to where the density rises, long ones where it rises fast.

    Lengths are compressed, |s| / (|s| + median |s|), so that near and far are both seen; the colour says the same.

    model : a Denoiser, or anything with score(x_t, t) -> like x_t.   t : time; None: the model's least one.
    data : points (n, 2) to draw below the arrows.   limits : (low, high) for both axes, or one pair for each; None:
    from data.
    arrows : per side.   kwargs : for `Axes.quiver`.   Returns the Axes.
    """
    _needs(model, "score", "score(x_t, t)")
    points = None if data is None else real_array(data, "data", shape=("n", 2), dtype=np.float64)
    horizontal, vertical = _limits(limits, points)
    arrows = integer(arrows, "arrows", 2)
    where = _lattice(horizontal, vertical, arrows)
    score = np.asarray(model.score(where.astype(np.float32), t), np.float64)
    length = np.linalg.norm(score, axis=1, keepdims=True)
    short = score / (length + np.median(length) + 1e-300)
    ax = own_axes(ax)
    if points is not None:
        ax.scatter(*points.T, s=3, color=ORANGE, alpha=min(0.5, 500 / len(points)), linewidth=0, zorder=1)
    spacing = (horizontal[1] - horizontal[0]) / arrows
    shades = colours(("#b5c9d8", "#4f8fb9", "#10304f"))
    style = {
        "cmap": shades,
        "angles": "xy",
        "scale_units": "xy",
        "scale": 1 / (1.25 * spacing),
        "width": 0.0035,
        "pivot": "mid",
    }
    ax.quiver(*where.T, *short.T, np.linalg.norm(short, axis=1), **{**style, "clim": (0, 1), "zorder": 2, **kwargs})
    title = "score" if t is None else f"score at t = {t:g}"
    return _plane(ax, horizontal, vertical, title)


def density(
    model: Any,
    t: float | None = None,
    *,
    ax: Any = None,
    limits: Limits = (-3.0, 3.0),
    resolution: int = 160,
    **kwargs: Any,
) -> Any:
    """Show the density that a model gives to the points of the plane, with lines through a half, a tenth and a
    hundredth of its top.

    model : anything with log_prob(x (n, 2)) -> (n,), such as a GaussianMixture or (at rtol = atol = 1e-3, which a
    picture does not show) a Denoiser; or an energy: a Diffusion with prediction "energy", or anything with
    energy(x_t, t) -> (n,) and no log_prob. Of exp(-energy) the picture shows its share of the sum over all points of
    the picture, so `limits` must hold all of the density.
    t : time; None: the data (an energy: the model's least time).   limits : (low, high) for both axes, or one pair for
    each, in the units of the data.   resolution : points per side.   kwargs : for `Axes.imshow`.
    Returns the Axes. Raises TypeError if the model has neither.
    """
    horizontal, vertical = _limits(limits, None)
    resolution = integer(resolution, "resolution", 2)
    where = _lattice(horizontal, vertical, resolution)
    if _is_energy(model):
        E = np.asarray(model.energy(_encoded(model, where).astype(np.float32), t), np.float64)
        cell = np.prod([(high - low) / (resolution - 1) for low, high in (horizontal, vertical)])
        p = np.exp(E.min() - E)
        p /= p.sum() * cell
    else:
        _needs(model, "log_prob", "log_prob(x) or energy(x_t, t)")
        at = () if t is None else (t,)
        quick = {"rtol": 1e-3, "atol": 1e-3} if hasattr(model, "bits_per_dim") else {}
        p = np.exp(np.asarray(model.log_prob(where.astype(np.float32), *at, **quick), np.float64))
    p = p.reshape(resolution, resolution)
    ax = own_axes(ax)
    options = {
        "cmap": density_colours(),
        "vmin": 0,
        "interpolation": "bilinear",
        "origin": "lower",
        "extent": (*horizontal, *vertical),
    }
    ax.imshow(p, **{**options, **kwargs})
    side = [np.linspace(*ends, resolution) for ends in (horizontal, vertical)]
    if p.max() > 0:
        ax.contour(
            *side, p, levels=p.max() * np.array([0.01, 0.1, 0.5]), colors=INK, linewidths=(0.4, 0.5, 0.6), alpha=0.45
        )
    return _plane(ax, horizontal, vertical, "density" if t is None else f"density at t = {t:g}")


def _is_energy(model: Any) -> bool:
    """Whether the model has an energy: every Diffusion has the method, but those with prediction "energy" answer."""
    by_default = None if hasattr(model, "log_prob") else "energy"
    return hasattr(model, "energy") and getattr(model, "_prediction", by_default) == "energy"


def _encoded(model: Any, points: Array) -> Array:
    """Points in the units of the data as x_t of the model."""
    encoded: Array = model._encode(points) if hasattr(model, "_encode") else points
    return encoded


def _needs(model: Any, method: str, signature: str) -> None:
    if not callable(getattr(model, method, None)):
        raise TypeError(f"this picture needs a model with {signature}, which {type(model).__name__} does not have")


def _limits(limits: Limits, points: Array | None) -> tuple[Range, Range]:
    """Give the ranges of both axes; from the points if nothing is said: all but one in a thousand of them, and a
    margin.
    """
    if limits is None:
        if points is None:
            return (-3.0, 3.0), (-3.0, 3.0)
        low, high = np.quantile(points, (5e-4, 1 - 5e-4), axis=0)
        (a, b), reach = (
            (low + high) / 2,
            0.58 * max(float((high - low).max()), 1e-6),
        )  # a square around all, and a margin
        return (float(a - reach), float(a + reach)), (float(b - reach), float(b + reach))
    pairs = np.broadcast_to(real_array(limits, "limits", dtype=np.float64), (2, 2))
    if (pairs[:, 0] >= pairs[:, 1]).any():
        raise ValueError(f"limits must be (low, high) with low < high, or one such pair for each axis, got {limits}")
    return (float(pairs[0, 0]), float(pairs[0, 1])), (float(pairs[1, 0]), float(pairs[1, 1]))


def _lattice(horizontal: Range, vertical: Range, side: int) -> Array:
    """Points (side^2, 2), rows from below, as float64."""
    axes = [np.linspace(*ends, side) for ends in (horizontal, vertical)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


def _shade(ax: Any, points: Array, horizontal: Range, vertical: Range) -> None:
    share, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=60, range=[list(horizontal), list(vertical)])
    ax.imshow(
        share.T,
        cmap=density_colours(),
        origin="lower",
        extent=(*horizontal, *vertical),
        interpolation="bilinear",
        zorder=0,
    )


def _plane(ax: Any, horizontal: Range, vertical: Range, title: str = "") -> Any:
    ax.set(xlim=horizontal, ylim=vertical, aspect="equal")
    tidy(ax, title=title)
    return ax
