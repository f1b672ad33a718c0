"""What merely having a library costs: seconds to import it, bytes on the disk."""

from __future__ import annotations

import importlib.util
import pathlib
import statistics
import subprocess
import sys

IMPORT = "import time, numpy; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"


def import_seconds(package: str, rounds: int = 5) -> float:
    """Seconds of `import package` beyond NumPy's, each in a new process: the median after one to warm the disk."""

    def once() -> float:
        command = [sys.executable, "-c", IMPORT.format(package)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    once()
    return statistics.median(once() for _ in range(rounds))


def installed_bytes(package: str) -> float:
    """Bytes of the package's folder without compiled Python: what its wheel unpacks to."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(package)
    folder = pathlib.Path(found.origin).parent
    files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return float(sum(p.stat().st_size for p in files))
