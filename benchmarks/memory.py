"""Memory of a training step, each contender in a process of its own: `python -m benchmarks.memory CONTENDER CASE`.

What is counted is the highest resident set during three steps, above that after import and data. Linux keeps the mark
and lets us reset it; elsewhere the high-water mark of the whole process stands in.
"""

from __future__ import annotations

import os
import pathlib
import re
import resource
import subprocess
import sys

CONTENDERS = ("scorefield", "torch NCHW", "torch NHWC")
STEPS = 3
STATUS = pathlib.Path("/proc/self/status")


def measure(contender: str, case: str, threads: int) -> float:
    """Bytes that a training step of the case takes, by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", contender, case, str(threads)]
    usual = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=usual)
    return float(done.stdout.split()[-1])


def _resident(mark: str) -> float:
    if STATUS.exists():
        found = re.search(rf"^{mark}:\s*(\d+) kB", STATUS.read_text(), re.MULTILINE)
        if found:
            return 1024 * float(found[1])
    return 1024 * float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _reset_mark() -> None:
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _scorefield(case_name: str, threads: int) -> float:
    import scorefield as sf
    from benchmarks.networks import find

    case = find(case_name)
    sf.set_num_threads(threads)
    data = case.data()
    _reset_mark()
    before = _resident("VmRSS")
    model = case.ours("fast")
    model.fit(data, steps=STEPS, batch_size=case.batch, every=10**9, progress=False)
    return _resident("VmHWM") - before


def _torch(contender: str, case_name: str, threads: int) -> float:
    import torch

    from benchmarks import peer
    from benchmarks.networks import find

    case = find(case_name)
    torch.set_num_threads(threads)
    layouts = dict(peer.layouts(case.data()))
    name = contender if contender in layouts else next(iter(layouts))
    _reset_mark()
    before = _resident("VmRSS")
    x = layouts[name]
    step = peer.training_step(peer.as_layout(case.theirs(), name), x)
    for _ in range(STEPS):
        step()
    return _resident("VmHWM") - before


def main() -> None:
    """Measure what the command line names, and print the bytes."""
    contender, case, threads = sys.argv[1:4]
    measured = _scorefield if contender == CONTENDERS[0] else lambda *a: _torch(contender, *a)
    print(measured(case, int(threads)))


if __name__ == "__main__":
    main()
