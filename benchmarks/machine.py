"""What stands beside every figure: the machine, the versions, and the most that its cores can do."""

from __future__ import annotations

import ctypes
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

import scorefield as sf

SOURCE = pathlib.Path(__file__).with_name("peak.cpp")
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC", "-pthread")

KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 33)}


def cpu() -> str:
    """Name of the processor and the number of its cores that we may use."""
    name = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.*)$", info.read_text(), re.MULTILINE))
        family = f" (family {fields['cpu family']})" if "cpu family" in fields else ""
        name = fields.get("model name", name) + family
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def versions() -> str:
    """Versions of everything that a figure depends on."""
    import torch

    info = sf.build_info()
    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__} (eager), scorefield "
        f"{info['version']} ({info['compiler']}, {info['isa']})"
    )


def slug() -> str:
    """The machine as the name of a file."""
    return re.sub(r"[^a-z0-9]+", "-", cpu().lower()).strip("-")


def keep_freed_memory() -> None:
    """Start this program again with an allocator that keeps what it has got, for both sides: else PyTorch's large
    tensors cost page faults at every step. Returns None, where it is so already.
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        os.environ |= KEEPING
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])


def peak(threads: Sequence[int], tries: int = 10) -> dict[int, float]:
    """GFLOP/s of single-precision multiply-adds for each number of threads; empty where there is no compiler."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        library = pathlib.Path(folder, "peak.so")
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(library)], check=True)
        function = ctypes.CDLL(str(library)).fma_peak
        function.restype = ctypes.c_double
        return {t: float(function(t, tries)) for t in threads}
