"""A training that survives: checkpoints in a folder, of which the last few are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scorefield._arrays import integer

CHECKPOINT = re.compile(r"step-(\d{1,18})\.safetensors")
MODEL = "model.safetensors"  #: a finished model in the folder, written by the command line


@dataclass(frozen=True)
class Run:
    """A folder that holds the checkpoints of one training.

    path : the folder, made when the first checkpoint is saved.   every : steps between checkpoints; one more is made
    whenever a fit ends, also by Ctrl-C.   keep : how many of the latest stay.

    ``fit(x, steps=..., run=Run(path))`` called again, in the same or another process, finishes what is unfinished,
    and the result is that of an uninterrupted call, bit for bit. ValueError if settings or data are not those of the
    folder.

    Example
    -------
    >>> Run("runs/digits", every=100)
    Run('runs/digits', every=100, keep=3)
    """

    path: str
    every: int = 1000
    keep: int = 3

    def __init__(self, path: str | os.PathLike[str], every: int = 1000, keep: int = 3):
        if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
            raise TypeError(f"run must be the path of a folder or a Run, got {path!r}")
        object.__setattr__(self, "path", os.fspath(path))
        object.__setattr__(self, "every", integer(every, "every", 1))
        object.__setattr__(self, "keep", integer(keep, "keep", 1))

    def __repr__(self) -> str:
        return f"Run({self.path!r}, every={self.every}, keep={self.keep})"

    @property
    def folder(self) -> Path:
        """The folder as a Path. ValueError if something else has its name."""
        folder = Path(self.path)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"run must be a folder, and {self.path!r} is a file; to go on from a file use sf.load")
        return folder

    def steps(self) -> list[int]:
        """Steps of the checkpoints in the folder, rising."""
        if not self.folder.is_dir():
            return []
        matches = [CHECKPOINT.fullmatch(name) for name in os.listdir(self.folder)]
        return sorted({int(match[1]) for match in matches if match})

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint of `step`."""
        return self.folder / f"step-{step:08d}.safetensors"

    def latest(self) -> Path | None:
        """Return the path of the last checkpoint, or None."""
        steps = self.steps()
        return self.checkpoint(steps[-1]) if steps else None

    def next(self, step: int) -> int:
        """Return the first step after `step` at which a checkpoint is due."""
        return (step // self.every + 1) * self.every

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Make the checkpoint of `step` by write(path), then delete those before the last `keep`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.checkpoint(step))  # durable when it returns: only now may older ones go
        for old in self.steps()[: -self.keep]:
            self.checkpoint(old).unlink(missing_ok=True)


def as_run(run: str | os.PathLike[str] | Run | None) -> Run | None:
    """Return the Run that the argument ``run=`` stands for."""
    return run if run is None or isinstance(run, Run) else Run(run)


def model_file(path: str | os.PathLike[str]) -> Path:
    """Return the file that `path` means: itself, or the last checkpoint of a run folder, else its model.safetensors.

    FileNotFoundError if there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = Run(path).latest() or (path / MODEL)
    if not found.exists():
        raise FileNotFoundError(f"{path}: the folder holds no checkpoint (step-<number>.safetensors) and no {MODEL}")
    return found
