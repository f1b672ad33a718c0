"""Draw from a trained model, into a picture or an array.

The same command gives the same bytes; -n 100 is -n 60 followed by -n 40 --start 60.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from scorefield import plot
from scorefield._arrays import Array, integer
from scorefield._names import parse
from scorefield.checkpoint import load
from scorefield.cli._reading import read_labels
from scorefield.diffusion import Diffusion
from scorefield.samplers import SAMPLERS

KINDS = (".png", ".npy", ".npz", ".gif")


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    add = command.add_argument
    add("model", help="a .safetensors file or the folder of a run")
    add("-n", type=int, help="number of samples (default: one for each label, else 16)")
    add("--labels", help="like 7, 0:10 or 3,1,none; fewer than n are repeated")
    add("--guidance", type=float, default=1.0, help="strength of the label: 0 none, 1 as trained (default), 2 stronger")
    add("--sampler", default="dpm_solver_pp", help='like ddim or "DPMSolverPP(order=2)" (default: dpm_solver_pp)')
    add("--steps", type=int, help="steps of the sampler (default: what suits it)")
    add("--seed", type=int, default=0, help="default: 0")
    add("--start", type=int, default=0, help="index of the first sample (default: 0)")
    add("--out", help="a .png (grid), .npy or .npz (array), or .gif (the path from noise)")


def run(words: argparse.Namespace) -> None:
    """Draw, write, and say how long it took. Returns None."""
    sampler = parse(words.sampler, "sampler", SAMPLERS)
    labels = read_labels(words.labels)
    if words.out is None or Path(words.out).suffix not in KINDS:
        raise ValueError(f"--out must be a file {', '.join(KINDS)}; got {words.out}")
    model = load(words.model)
    if not isinstance(model, Diffusion):
        raise ValueError(f"{words.model} holds a {type(model).__name__}, which cannot draw; expected a Diffusion")
    n = integer(words.n, "n", 1) if words.n is not None else len(labels) if labels else 16
    keywords: dict[str, Any] = {"guidance": words.guidance, "sampler": sampler, "steps": words.steps}
    keywords |= {"seed": words.seed, "start": words.start}
    begin = time.perf_counter()
    if words.out.endswith(".gif"):
        path = model.sample(n, labels, trajectory=True, **keywords)
        _write_path(words.out, path)
    else:
        x = model.sample(n, labels, **keywords)
        _write_samples(words.out, x, None if labels is None else _cycled(labels, n, words.start))
    steps = "" if words.steps is None else f", {words.steps} steps"
    print(f"{n} samples{steps}, {time.perf_counter() - begin:.1f} s")


def _cycled(labels: list[int | None], n: int, start: int) -> Array:
    """The label of each sample, -1 for none: entry (start + i) mod length."""
    known = np.array([-1 if label is None else label for label in labels], np.int64)
    return known[(start + np.arange(n)) % len(known)]


def _write_samples(out: str, x: Array, labels: Array | None) -> None:
    if out.endswith(".npy"):
        np.save(out, x)
    elif out.endswith(".npz"):
        arrays: dict[str, Any] = {"x": x} if labels is None else {"x": x, "labels": labels}
        np.savez(out, **arrays)
    else:
        _write_picture(out, x)


def _write_picture(out: str, x: Array) -> None:
    if x.ndim == 4:
        plot.grid(x, columns=10 if len(x) % 10 == 0 else None).savefig(out)
    elif x.shape[1:] == (2,):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 5))
        ax = figure.subplots()
        ax.scatter(x[:, 0], x[:, 1], s=4)
        ax.set_aspect("equal")
        figure.savefig(out)
    else:
        raise ValueError(f"samples of shape {x.shape[1:]} make no picture; use --out samples.npy")


def _write_path(out: str, path: Any) -> None:
    from matplotlib.animation import PillowWriter

    plot.animate(path).save(out, writer=PillowWriter(fps=15))
