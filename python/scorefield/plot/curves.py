"""Curves over time: noise schedules, training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array
from scorefield.plot._style import (
    BLUE,
    INK,
    LINES,
    ORANGE,
    PALE,
    as_value,
    colours,
    legend,
    new_figure,
    own_axes,
    tidy,
)

BANDS = ("#c9dfec", "#7fb0cf", "#a78bb5", "#c0608a", "#7d2248")  # little noise to much noise


def schedule(s: Any, *, ax: Any = None, limits: tuple[float, float] | None = None, **kwargs: Any) -> Any:
    """Show noise schedules: the share of the variance that is noise, and the logarithm of the signal-to-noise ratio.

    s : a Schedule, a sequence of them, or names with them.   limits : of log10 snr; None: the middle, -6 to 6 at most.
    ax : for the first of the two panels alone.   kwargs : for `Axes.plot`.   Returns the Figure, or `ax` if that was
    given.

    >>> import scorefield as sf
    >>> figure = schedule({"linear": sf.schedules.Linear(1000), "cosine": sf.schedules.Cosine(1000)})
    """
    named = _named(s)
    if ax is not None:
        _noise_share(ax, named, kwargs)
        legend(ax)
        return ax
    figure, (left, right) = new_figure(8.6, 3.4, 2, layout="constrained")
    _noise_share(left, named, kwargs)
    _log_snr(right, named, limits, kwargs)
    if len(named) > 1:
        longest = max(map(len, named))
        figure.legend(
            *left.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=max(1, min(len(named), 90 // (longest + 8))),
            frameon=False,
            fontsize=8,
            labelcolor=INK,
        )
    return as_value(figure)


def _width(k: int) -> float:
    """Later curves are thinner, so that an equal one below is still seen."""
    return max(1.2, 2.6 - 0.35 * k)


def _named(s: Any) -> dict[str, Any]:
    if isinstance(s, Mapping):
        return {str(name): value for name, value in s.items()}
    return {repr(one): one for one in (s if isinstance(s, Sequence) else [s])}


def _times(s: Any) -> Array:
    """From t = 0 to t_max, more of them near both ends, where log snr is steep."""
    return np.asarray(float(s.t_max) * np.sin(np.linspace(0, np.pi / 2, 401)) ** 2)


def _noise_share(ax: Any, named: Mapping[str, Any], kwargs: Mapping[str, Any]) -> None:
    for k, (name, s) in enumerate(named.items()):
        t = _times(s)
        alpha, sigma = np.asarray(s.alpha(t)), np.asarray(s.sigma(t))
        share = sigma**2 / (alpha**2 + sigma**2)
        ax.plot(t / t[-1], share, **{"color": LINES[k % len(LINES)], "lw": _width(k), "label": name, **kwargs})
    ax.axhline(0.5, color=PALE, lw=0.8, zorder=0)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), yticks=[0, 0.25, 0.5, 0.75, 1])
    tidy(ax, x="t / t_max", title="share of the variance that is noise")


def _log_snr(ax: Any, named: Mapping[str, Any], limits: tuple[float, float] | None, kwargs: Mapping[str, Any]) -> None:
    lowest, highest = 0.0, 0.0
    for k, (name, s) in enumerate(named.items()):
        t = _times(s)
        alpha, sigma = np.asarray(s.alpha(t)), np.asarray(s.sigma(t))
        with np.errstate(divide="ignore"):
            ratio = 2 * (np.log10(alpha) - np.log10(sigma))
        lowest, highest = min(lowest, float(ratio.min())), max(highest, float(ratio[1:].max()))
        shown = np.isfinite(ratio)
        ax.plot(
            t[shown] / t[-1], ratio[shown], **{"color": LINES[k % len(LINES)], "lw": _width(k), "label": name, **kwargs}
        )
    ax.axhline(0, color=PALE, lw=0.8, zorder=0)
    ax.set(xlim=(0, 1), ylim=limits if limits is not None else (max(lowest, -6) - 0.3, min(highest, 6)))
    tidy(ax, x="t / t_max", title="log10 of the signal-to-noise ratio")


def history(history: Mapping[str, npt.ArrayLike], *, ax: Any = None, **kwargs: Any) -> Any:
    """Show what training reported: the loss, where it was measured the held-out loss, and that in parts of the time
    range.

    history : arrays by name: step, loss; validation_loss and bands (events, parts) if there are any.
    kwargs : for `Axes.plot` of the loss.   Returns the Axes.

    >>> ax = history({"step": [1, 2, 3], "loss": [0.9, 0.5, 0.4]})
    """
    ax = own_axes(ax, 6.0, 3.4)
    step, loss = (np.asarray(history[name], np.float64) for name in ("step", "loss"))
    held_out = _optional(history, "validation_loss", step)
    bands = _optional(history, "bands", step)
    if bands is not None and bands.ndim == 2:
        _draw_bands(ax, step, bands)
    ax.plot(step, loss, **{"color": BLUE, "lw": 0.8, "alpha": 0.35, **kwargs})
    ax.plot(step, _smooth(loss), **{"color": BLUE, "lw": 1.9, "label": "loss", **kwargs})
    if held_out is not None:
        shown = np.isfinite(held_out)
        ax.plot(step[shown], held_out[shown], color=ORANGE, lw=1.9, label="held out")
    if np.nanmin(loss) > 0:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if _leading(value) in (2, 5) else "")
    ax.set_xlim(step.min(), max(step.max(), step.min() + 1))
    tidy(ax, x="step", title="loss")
    legend(ax, loc="upper right", ncols=3)
    return ax


def _optional(history: Mapping[str, npt.ArrayLike], name: str, step: Array) -> Array | None:
    values = np.asarray(history[name], np.float64) if name in history else np.array([])
    return values if len(values) == len(step) and np.isfinite(values).any() else None


def _draw_bands(ax: Any, step: Array, bands: Array) -> None:
    """One thin line per part of the time range, from little noise to much; the first and the last are named."""
    shade = colours(BANDS)
    for k in range(bands.shape[1]):
        shown = np.isfinite(bands[:, k])
        label = {0: "little noise", bands.shape[1] - 1: "much noise"}.get(k)
        ax.plot(
            step[shown], bands[shown, k], color=shade(k / max(bands.shape[1] - 1, 1)), lw=0.9, label=label, zorder=1
        )


def _smooth(values: Array) -> Array:
    """Mean over a window of a twentieth of the curve, shorter at its ends."""
    reach = max(1, len(values) // 40)
    total = np.concatenate([[0.0], np.cumsum(values)])
    high = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    low = np.maximum(np.arange(len(values)) - reach, 0)
    return np.asarray((total[high] - total[low]) / (high - low))


def _leading(value: float) -> int:
    return int(f"{value:e}"[0])
