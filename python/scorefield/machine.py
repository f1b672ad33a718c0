"""This machine: how many threads the core may use, and how it was built."""

import os
import platform
from types import TracebackType
from typing import Any

import numpy as np

from scorefield import _core
from scorefield._arrays import integer
from scorefield._version import __version__

if level := os.environ.get("SCOREFIELD_ISA"):  # generic, avx2, avx512 or neon: for tests and measurements
    _core.select_isa(level)


class ThreadCap:
    """What `set_num_threads` gives: as a context it puts back the former cap at its end."""

    def __init__(self, former: int):
        self._former = former

    def __enter__(self) -> None:
        """Leave the new cap in place until the end of the block. Returns None."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the former cap. Returns None: exceptions pass."""
        _core.set_thread_cap(self._former)


def set_num_threads(n: int | None) -> ThreadCap:
    """Let the core use at most `n` threads from now on, or inside a `with` block. Results do not depend on it.

    n : an integer >= 1; None lifts the cap. The affinity mask, the share of a container (cgroup) and OMP_NUM_THREADS
    limit the number as well. Returns a context; used without `with` the cap stays.

    >>> with set_num_threads(1):
    ...     get_num_threads()
    1
    """
    former = int(_core.thread_cap())
    _core.set_thread_cap(0 if n is None else integer(n, "n", 1, 2**31 - 1))
    return ThreadCap(former)


def get_num_threads() -> int:
    """Give the number of threads that the core uses now, as an int >= 1."""
    return int(_core.threads())


def build_info() -> dict[str, Any]:
    """Tell how the library was built and what it runs on, as a dict of short values by name.

    Worth a line in every report of a speed or of a difference: version, compiler, instruction level, threads, NumPy.
    """
    here = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
    return {**_core.build_info(), "version": __version__, "threads": get_num_threads(), **here}
