"""The bar of long calls.

`progress=None` shows it where somebody looks, True always, False never; a function is called with (done, total).
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

Progress = bool | Callable[[int, int], object] | None
DELAY = 0.5  #: seconds that a call may take without a bar, unless one is asked for
FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"


class Report(Protocol):
    """Says how far a call is; `text` ("loss 0.061  1710 samples/s") stands behind the bar. Returns None."""

    def __call__(self, done: int, text: str = "") -> None: ...


@contextmanager
def reporting(progress: Progress, total: int, *, start: int = 0, what: str = "") -> Iterator[Report]:
    """Give a `Report` for a call of `total` steps, of which `start` are done.

    >>> with reporting(False, 10) as report:
    ...     report(3, "loss 0.1")
    """
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise TypeError(f"progress must be None, True, False or a function of (done, total), got {progress!r}")
    if callable(progress):
        yield _calling(progress, total)
    elif progress or (progress is None and somebody_looks()):
        with _bar(total, start, what, delay=0.0 if progress else DELAY) as bar:
            yield _drawing(bar)
    else:
        yield _silent


def somebody_looks() -> bool:
    """Tell, as a bool, whether standard error is a terminal or this is a notebook."""
    return in_notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())


def in_notebook() -> bool:
    """Tell, as a bool, whether a Jupyter kernel runs this code."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _silent(done: int, text: str = "") -> None:
    pass


def _calling(function: Callable[[int, int], object], total: int) -> Report:
    def report(done: int, text: str = "") -> None:
        function(done, total)

    return report


def _drawing(bar: Any) -> Report:
    def report(done: int, text: str = "") -> None:
        if text:
            bar.set_postfix_str(text, refresh=False)
        bar.update(done - bar.n)

    return report


def _bar(total: int, start: int, what: str, delay: float) -> Any:
    """A tqdm bar that draws at most ten times a second and starts no thread; text where ipywidgets is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm asks for ipywidgets, which nobody needs
        from tqdm.auto import tqdm

        class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
            monitor_interval = 0  # no monitor thread

        words = {"total": total, "initial": start, "desc": what and f"{what} ", "bar_format": FORMAT}
        return Bar(**words, mininterval=0.1, miniters=1, delay=delay)
