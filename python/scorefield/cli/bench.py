"""Measure this machine: noise, training and sampling of small networks.

Each line is the best of a few short runs, in numbers, samples or network evaluations a second. The comparison with
PyTorch is `python -m benchmarks` in the source tree.
"""

import argparse
import time
from collections.abc import Callable, Iterator

from scorefield import schedules
from scorefield.diffusion import ENGINES, Diffusion
from scorefield.machine import build_info
from scorefield.mixture import GaussianMixture
from scorefield.networks import MLP, Network, UNet
from scorefield.noise import normal

NETWORKS: dict[str, tuple[Callable[[], Network], int]] = {  # and the size of a batch
    "MLP, 3 layers of 128": (lambda: MLP(2), 1024),
    "UNet 8x8x1, widths 32 64": (lambda: UNet((8, 8, 1), widths=(32, 64)), 64),
    "UNet 28x28x1, widths 32 64": (lambda: UNet((28, 28, 1), widths=(32, 64)), 64),
}


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    command.add_argument("--engine", default="fast", choices=ENGINES, help="what computes networks (default: fast)")
    command.add_argument("--seconds", type=float, default=1.0, help="time for each line (default: 1)")


def run(words: argparse.Namespace) -> None:
    """Print a line for each kind of work, as soon as it is measured. Returns None."""
    if not 0 < words.seconds <= 3600:
        raise ValueError(f"--seconds must be above 0 and at most 3600, got {words.seconds}")
    info = build_info()
    print(f"scorefield {info['version']}, {info['isa']}, {info['threads']} threads, {words.engine} engine", flush=True)
    for what, unit, count, work in _works(words.engine):
        rate = count / _best(work, words.seconds)
        print(f"{what:45}{rate:12,.0f} {unit}/s", flush=True)


def _works(engine: str) -> Iterator[tuple[str, str, int, Callable[[], object]]]:
    """Give what is measured: its name, the unit, how many of them a call does, the call."""
    yield "noise", "numbers", 1 << 22, lambda: normal((1 << 10, 1 << 12), seed=0)
    exact = GaussianMixture([[-2.0, 0.0], [2.0, 0.0]], stds=0.4).denoiser(schedules.VP())
    yield "exact mixture, 20 steps", "samples", 4096, lambda: exact.sample(4096, steps=20, progress=False)
    for name, (make, batch) in NETWORKS.items():
        net = make()
        model = Diffusion(net, schedules.Linear(1000), engine=engine)
        x = normal((batch, *net.shape), seed=0)
        fit = lambda m=model, x=x: m.fit(x, steps=4, batch_size=len(x), every=1000, progress=False)  # noqa: E731
        draw = lambda m=model, x=x: m.sample(x_T=x, sampler="ddim", steps=4, progress=False)  # noqa: E731
        yield f"{name}, training", "samples", 4 * batch, fit
        yield f"{name}, evaluation", "samples", 4 * batch, draw


def _best(work: Callable[[], object], seconds: float) -> float:
    """Give the shortest time of a call, in seconds, of those that fit in `seconds`, at least two."""
    end, times = time.perf_counter() + seconds, list[float]()
    while len(times) < 2 or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)
