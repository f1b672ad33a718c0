"""Train a model on a data set or on arrays in a file.

The folder --out holds checkpoints; the same command again goes on where the last one stopped, with the same result
as if it had never stopped.
"""

import argparse
import time
from pathlib import Path

from scorefield._names import parse
from scorefield._progress import somebody_looks
from scorefield.cli._reading import read_data, read_network
from scorefield.diffusion import Diffusion
from scorefield.run import MODEL, Run
from scorefield.schedules import SCHEDULES


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    add = command.add_argument
    add("--data", required=True, help="digits, mnist, moons(n=2000), ..., or a file .npz with x [, labels], .npy")
    add("--net", help='like "UNet(widths=(32, 64), classes=10)" or "MLP(widths=(128, 128))"')
    add("--schedule", default="cosine", help='like cosine or "Cosine(T=500)" (default: cosine)')
    add("--prediction", help="x0, eps, score, v, flow or edm (default: what suits the schedule)")
    add("--scale", help="standard: bring each column or channel to mean 0 and deviation 1")
    add("--loss", help="simple, vlb, snr, min_snr, p2, likelihood or edm (default: what suits the prediction)")
    add("--steps", type=int, required=True, help="training steps")
    add("--batch-size", type=int, default=128, help="default: 128")
    add("--lr", type=float, default=1e-3, help="learning rate (default: 1e-3)")
    add("--ema", type=float, default=0.999, help="decay of the average of the weights (default: 0.999)")
    add("--p-uncond", type=float, default=0.1, help="share of rows without their label, for guidance (default: 0.1)")
    add("--checkpoint-every", type=int, default=1000, help="steps between checkpoints (default: 1000)")
    add("--seed", type=int, default=0, help="default: 0")
    add("--out", required=True, help="folder for checkpoints and model.safetensors")


def run(words: argparse.Namespace) -> None:
    """Train, save, and say how it went. Returns None."""
    schedule = parse(words.schedule, "schedule", SCHEDULES)
    data = read_data(words.data)
    net = read_network(words.net, data)
    labels = data.labels if net.classes is not None else None
    if net.classes is not None and labels is None:
        raise ValueError(f"the network has classes={net.classes}, but {data.name} holds no labels")
    model = Diffusion(net, schedule, words.prediction, scale=words.scale)
    folder = Run(words.out, every=words.checkpoint_every, keep=2)
    if found := folder.steps():
        print(f"resumed at step {found[-1]} of {words.steps}", flush=True)
    held_out = data.held_out if labels is not None or data.held_out is None else (data.held_out[0],)
    begin = time.perf_counter()
    try:
        model.fit(
            data.x,
            labels,
            steps=words.steps,
            batch_size=words.batch_size,
            lr=words.lr,
            loss=words.loss,
            ema=words.ema,
            p_uncond=words.p_uncond,
            seed=words.seed,
            validation=held_out,
            run=folder,
        )
    except KeyboardInterrupt:
        print(f"interrupted at step {model.step}; run the same command to go on", flush=True)
        raise
    if not somebody_looks():  # else the bar has said it
        print(summary(model, words.steps, time.perf_counter() - begin))
    model.save(Path(words.out) / MODEL)
    print(f"saved {Path(words.out) / MODEL}")


def summary(model: Diffusion, steps: int, seconds: float) -> str:
    """Give the last line of the bar: "2000/2000 [01:15] loss 0.0612  held-out 0.0630  1710 samples/s"."""
    minutes, rest = divmod(round(seconds), 60)
    text = f"{model.step}/{steps} [{minutes:02d}:{rest:02d}]"
    if not model.history.events:
        return text
    last = model.history.events[-1]
    held_out = "" if last.validation_loss != last.validation_loss else f"  held-out {last.validation_loss:.4f}"
    return f"{text} loss {last.loss:.4f}{held_out}  {last.samples_per_s:.0f} samples/s"
