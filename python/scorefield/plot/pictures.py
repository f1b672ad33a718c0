"""Images side by side."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, integer, real_array
from scorefield.plot._style import INK, as_value, new_figure

DPI = 110  # of the figures
CELL, WORDY = 80, 150  # pixels of the larger side of an image, about; where long words stand above it
WIDEST = 9.0  # inches of a figure
MARGIN = 9  # pixels
LINE, LETTER = 0.125, 0.064  # inches of a line of text, of a letter


def grid(
    x: npt.ArrayLike,
    columns: int | None = None,
    titles: Sequence[object] | None = None,
    *,
    ax: Any = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    **kwargs: Any,
) -> Any:
    """Show images row by row, each pixel a sharp square.

    x : images (n, H, W, 1) or (n, H, W, 3).   columns : per row; None: as square as can be.   titles : n words or
    numbers.
    limits : values shown as black and white (or as none and all of a colour); what lies outside is cut.
    kwargs : for `Axes.imshow`, such as cmap.   Returns the Figure, or `ax` if that was given.

    >>> figure = grid(np.zeros((10, 8, 8, 1)), columns=5)
    """
    images = _images(x, "x")
    columns = columns_of(len(images), columns)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles must hold {len(images)} entries, one for each image, got {len(titles)}")
    labels = None if titles is None else [_written(title) for title in titles]
    return _draw(images, columns, labels, None, ax, limits, kwargs)


def strip(
    frames: npt.ArrayLike,
    titles: Sequence[object] | npt.NDArray[Any] | None = None,
    *,
    ax: Any = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    **kwargs: Any,
) -> Any:
    """Show images in one row, for instance one image on its way from noise to data.

    frames : images (k, H, W, 1) or (k, H, W, 3).   titles : k words or numbers, such as the times.
    limits, kwargs : as in `grid`.   Returns the Figure, or `ax` if that was given.

    >>> figure = strip(np.zeros((4, 8, 8, 1)), titles=[1000, 500, 100, 0])
    """
    images = _images(frames, "frames")
    return grid(images, len(images), None if titles is None else list(titles), ax=ax, limits=limits, **kwargs)


def compare(
    *rows: npt.ArrayLike,
    titles: Sequence[str] | None = None,
    ax: Any = None,
    limits: tuple[float, float] = (-1.0, 1.0),
    **kwargs: Any,
) -> Any:
    """Show several sets of images below each other, column by column: what belongs together stands together.

    rows : sets of images (n, H, W, 1) or (n, H, W, 3), all of one shape.   titles : a name for every row.
    limits, kwargs : as in `grid`.   Returns the Figure, or `ax` if that was given.

    >>> figure = compare(np.zeros((6, 8, 8, 1)), np.ones((6, 8, 8, 1)), titles=("given", "answer"))
    """
    if not rows:
        raise ValueError("compare needs at least one set of images")
    sets = [_images(row, f"rows[{i}]") for i, row in enumerate(rows)]
    if any(images.shape != sets[0].shape for images in sets):
        raise ValueError(f"all rows must have one shape, got {', '.join(str(images.shape) for images in sets)}")
    if titles is not None and len(titles) != len(sets):
        raise ValueError(f"titles must hold {len(sets)} entries, one for each row, got {len(titles)}")
    names = None if titles is None else [str(title) for title in titles]
    return _draw(np.concatenate(sets), len(sets[0]), None, names, ax, limits, kwargs)


def _images(x: npt.ArrayLike, name: str) -> Array:
    images = real_array(x, name, images=True)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        advice = f"; for one image use {name}[None]" if images.ndim == 3 and images.shape[-1] in (1, 3) else ""
        raise ValueError(f"{name} must be images (n, H, W, 1) or (n, H, W, 3), got shape {images.shape}{advice}")
    return images


def columns_of(n: int, columns: int | None) -> int:
    """Give the number of columns for n images: what was asked for, at most n, or about the root of n."""
    return min(n, int(np.ceil(np.sqrt(n))) if columns is None else integer(columns, "columns", 1))


def _written(title: object) -> str:
    return f"{title:.4g}" if isinstance(title, float | np.floating) else str(title)


def mosaic(
    images: Array, columns: int, limits: tuple[float, float], zoom: int = 1, head: int = 0
) -> tuple[npt.NDArray[np.uint8], int, int]:
    """Put images, enlarged `zoom` times, into one picture (rows, columns, 4) uint8 with transparent gaps.

    head : pixels left free above each row of images. Returns the picture and (dy, dx): the top left corner of image
    (i, j) is at (i dy + head, j dx).
    """
    low, high = limits
    levels = np.rint(np.clip((images - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    levels = levels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    n, height, width, _ = levels.shape
    gap = _gap(height, width)
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height + gap + head, width + gap, 4), np.uint8)
    cells[:n, head : head + height, :width, :3] = levels
    cells[:n, head : head + height, :width, 3] = 255
    dy, dx = cells.shape[1:3]
    picture = cells.reshape(rows, columns, dy, dx, 4).transpose(0, 2, 1, 3, 4).reshape(rows * dy, columns * dx, 4)
    return picture[:-gap, :-gap], dy, dx


def _gap(height: int, width: int) -> int:
    return max(2, round(0.05 * min(height, width)))


def enlargement(shape: tuple[int, ...], columns: int, side: float) -> int:
    """Give the whole number of times that images of this shape are enlarged: near `side` pixels, and all columns on a
    page.
    """
    return max(1, min(round(side / max(shape[1:3])), int(WIDEST * DPI / (columns * shape[2]))))


def _draw(
    images: Array,
    columns: int,
    titles: list[str] | None,
    names: list[str] | None,
    ax: Any,
    limits: tuple[float, float],
    kwargs: dict[str, Any],
) -> Any:
    """One Axes, one picture whose pixels are those of the screen; titles above the images, names of the rows at their
    left.
    """
    side = WORDY if max(map(len, titles or [""])) > 10 else CELL
    zoom = enlargement(images.shape, columns, side)
    width = images.shape[2] * zoom
    per_inch = float(DPI) if ax is None else _pixels_per_inch(ax, len(images), columns, images.shape[1] * zoom, width)
    lines = ["\n".join(textwrap.wrap(title, max(6, int(width / per_inch / LETTER)))) for title in titles or []]
    head = round(per_inch * (LINE * max((text.count("\n") + 1 for text in lines), default=0) + (0.06 if lines else 0)))
    picture, dy, dx = mosaic(images, columns, limits, zoom, head)
    figure = None
    if ax is None:
        figure, ax = _fitting_figure(picture, round(DPI * (LETTER * 1.15 * max(map(len, names)) + 0.1)) if names else 0)
    show(ax, picture, images.shape[-1], limits, kwargs)
    for k, text in enumerate(lines):
        at = (k % columns) * dx + width / 2, (k // columns) * dy + head - 0.045 * per_inch
        ax.text(*at, text, ha="center", va="bottom", fontsize=7.5, color=INK, linespacing=1.15)
    for i, name in enumerate(names or []):
        middle = i * dy + head + images.shape[1] * zoom / 2
        ax.text(-0.08 * per_inch, middle, name, ha="right", va="center", fontsize=8.5, color=INK)
    return ax if figure is None else as_value(figure)


def _pixels_per_inch(ax: Any, n: int, columns: int, height: int, width: int) -> float:
    """Pixels per inch of the Axes that n images of this size in so many columns are to fill, without titles."""
    gap = _gap(height, width)
    inches = ax.get_window_extent().size / ax.figure.dpi
    return float(max(columns * (width + gap) / inches[0], -(-n // columns) * (height + gap) / inches[1]))


def _fitting_figure(picture: npt.NDArray[np.uint8], left: int) -> tuple[Any, Any]:
    """A Figure in which one pixel of the picture is one of the screen, with an even margin and `left` pixels for
    names.
    """
    height, width = picture.shape[:2]
    wide, high = width + 2 * MARGIN + left, height + 2 * MARGIN
    shrink = min(1.0, WIDEST * DPI / width)
    figure, ax = new_figure(wide * shrink / DPI, high * shrink / DPI)
    figure.set_dpi(DPI)
    ax.set_position([(left + MARGIN) / wide, MARGIN / high, width / wide, height / high])
    return figure, ax


def show(
    ax: Any, picture: npt.NDArray[np.uint8], channels: int, limits: tuple[float, float], kwargs: dict[str, Any]
) -> None:
    """Draw a mosaic: grey images through the colour map, so that `cmap` works, colour ones as they are."""
    options: dict[str, Any] = {"interpolation": "nearest", "aspect": "equal"}
    if channels == 1:
        options |= {"cmap": "gray", "vmin": limits[0], "vmax": limits[1]}
    ax.imshow(shades(picture, limits) if channels == 1 else picture, **{**options, **kwargs})
    ax.set_axis_off()


def shades(picture: npt.NDArray[np.uint8], limits: tuple[float, float]) -> Any:
    """Give the values of a grey mosaic, masked in the gaps."""
    low, high = limits
    return np.ma.masked_where(picture[..., 3] == 0, low + (high - low) * (picture[..., 0] / 255))
