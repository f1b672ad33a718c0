"""Judge a trained model: loss by noise level, distance to the data, copies of training rows."""

import argparse

import numpy as np

from scorefield import metrics
from scorefield._arrays import Array, integer
from scorefield.checkpoint import load
from scorefield.cli._reading import Data, read_data
from scorefield.diffusion import Diffusion


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    add = command.add_argument
    add("model", help="a .safetensors file or the folder of a run")
    add("--data", required=True, help="the data it was trained on, as for train; its held-out part is compared with")
    add("--samples", type=int, default=360, help="samples to draw (default: 360)")
    add("--guidance", type=float, default=1.0, help="strength of the label while drawing (default: 1)")
    add("--steps", type=int, default=50, help="steps of the sampler (default: 50)")
    add("--seed", type=int, default=0, help="default: 0")


def run(words: argparse.Namespace) -> None:
    """Print what was found. Returns None."""
    n = integer(words.samples, "samples", 4)
    model = load(words.model)
    if not isinstance(model, Diffusion):
        raise ValueError(f"{words.model} holds a {type(model).__name__}; expected a Diffusion")
    data = _with_held_out(read_data(words.data))
    test, test_labels = data.held_out if data.held_out is not None else (data.x, data.labels)
    known = test_labels if model.net.classes is not None else None
    bands = model.evaluate(test, known).bands
    wished = None if known is None else np.resize(known, n)
    x = model.sample(n, wished, guidance=words.guidance, steps=words.steps, seed=words.seed)
    control = _control(data.x, n)
    found = metrics.report(x, data.x, test, seed=0)
    unseen = metrics.report(test, data.x, test, seed=0)
    print(f"loss per noise band   {' '.join(f'{band:.3f}' for band in bands)}")
    print(f"energy distance       {found.energy_distance:.3f}   (two halves of the data: {control:.3f})")
    print(f"sliced Wasserstein    {found.sliced_wasserstein:.3f}")
    print(f"nearest training row  {found.nearest_ratio:.2f} of the distance of held-out rows")
    print(f"copies                {found.copies:.1%}   (held-out control: {unseen.copies:.1%})")


def _with_held_out(data: Data) -> Data:
    """Data from a file have no held-out part: every fifth row stands in, and the model may have seen it."""
    if data.held_out is not None:
        return data
    every = np.arange(len(data.x)) % 5 == 4
    labels = data.labels
    held_out = (data.x[every], None if labels is None else labels[every])
    return Data(data.name, data.x[~every], None if labels is None else labels[~every], held_out)


def _control(x: Array, n: int) -> float:
    """The energy distance of two parts of the data, each of n rows if there are as many."""
    size = min(n, len(x) // 2)
    rows = np.random.default_rng(0).permutation(len(x))
    return metrics.energy_distance(x[rows[:size]], x[rows[size : 2 * size]])
