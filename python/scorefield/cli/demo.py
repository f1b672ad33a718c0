"""Train on the real 8 x 8 digits, draw new ones, and judge them.

Writes grid.png, strip.png, history.png, model.safetensors and report.json into --out.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from scorefield import datasets, metrics, plot
from scorefield._arrays import Array, integer
from scorefield.classifier import Classifier
from scorefield.diffusion import Diffusion
from scorefield.machine import build_info
from scorefield.networks import Encoder, UNet
from scorefield.plot._style import pyplot
from scorefield.schedules import Cosine

SHAPE = (8, 8, 1)
GUIDANCE = 2.0
SAMPLER_STEPS = 20
HALF = 898  # of the 1,797 real digits


@dataclass(frozen=True)
class Findings:
    """What the demo measures; distances are Euclidean, on pixels in [-1, 1]."""

    judge_on_real: float
    judge_on_samples: float
    sliced_wasserstein: float
    sliced_wasserstein_real_halves: float
    nearest_training_image: float
    nearest_training_image_of_unseen: float
    seconds_training: float
    seconds_sampling_100: float

    def __str__(self) -> str:
        return (
            f"judge on held-out real images {self.judge_on_real:.2f}   "
            f"judge on samples {self.judge_on_samples:.2f} (asked digit read)   "
            f"sliced Wasserstein {self.sliced_wasserstein:.3f} "
            f"(real halves {self.sliced_wasserstein_real_halves:.3f})\n"
            f"nearest training image {self.nearest_training_image:.2f} "
            f"(unseen real images {self.nearest_training_image_of_unseen:.2f})   "
            f"trained {self.seconds_training:.0f} s   100 samples in {self.seconds_sampling_100:.1f} s"
        )


def arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes. Returns None."""
    command.add_argument("--out", required=True, help="folder for pictures, model and report")
    command.add_argument("--steps", type=int, default=1000, help="training steps of batch 64 (default: 1000)")
    command.add_argument("--samples", type=int, default=1000, help="images drawn for the judgement (default: 1000)")
    command.add_argument("--seed", type=int, default=0, help="default: 0")


def run(words: argparse.Namespace) -> None:
    """Train, draw, judge, write, and say what was found. Returns None."""
    pyplot()  # asks for matplotlib before the training, not after it
    steps, n = integer(words.steps, "steps", 1), integer(words.samples, "samples", 10)
    out = Path(words.out)
    out.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    model = train(steps, words.seed)
    seconds = time.perf_counter() - begin
    judge = Classifier(Encoder(SHAPE, widths=(32, 64), out=10))
    judge.fit(*datasets.digits("train"), steps=max(1, steps // 2), batch_size=64, lr=2e-3)
    wish = np.repeat(np.arange(10), 10)
    begin = time.perf_counter()
    images = model.sample(100, wish, guidance=GUIDANCE, steps=SAMPLER_STEPS, seed=words.seed)
    found = findings(model, judge, n, words.seed, (seconds, time.perf_counter() - begin))
    path = model.sample(10, range(10), guidance=GUIDANCE, steps=SAMPLER_STEPS, seed=words.seed, trajectory=True)
    plot.grid(images, columns=10).savefig(out / "grid.png")
    shown = np.linspace(0, len(path), 11).round().astype(int)
    plot.compare(*path.x[shown].swapaxes(0, 1), titles=list("0123456789")).savefig(out / "strip.png")
    plot.history(model.history).figure.savefig(out / "history.png")
    model.save(out / "model.safetensors")
    settings = {"steps": steps, "samples": n, "seed": words.seed, "guidance": GUIDANCE, "sampler_steps": SAMPLER_STEPS}
    report = {**asdict(found), "settings": settings, "build": build_info()}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(found)
    names = ("grid.png", "strip.png", "history.png", "model.safetensors", "report.json")
    print("wrote", *(out / name for name in names))


def train(steps: int, seed: int) -> Diffusion:
    """Fit a class-conditional UNet to the 1,437 training digits. Returns the model."""
    x, labels = datasets.digits("train")
    model = Diffusion(UNet(SHAPE, widths=(32, 64), classes=10, seed=seed), Cosine(1000), prediction="v")
    return model.fit(x, labels, steps=steps, batch_size=64, lr=2e-3, validation=datasets.digits("test"), seed=seed)


def findings(model: Diffusion, judge: Classifier, n: int, seed: int, seconds: tuple[float, float]) -> Findings:
    """Ask three questions: does it draw what is asked, all that there is, and nothing by heart? Returns Findings."""
    x, _ = datasets.digits("train")
    test, test_labels = datasets.digits("test")
    wish = np.resize(np.arange(10), n)
    guided = model.sample(len(wish), wish, guidance=GUIDANCE, steps=SAMPLER_STEPS, seed=seed + 1)
    half, other, labels = (part[:n] for part in real_halves())
    free = model.sample(len(half), labels, steps=SAMPLER_STEPS, seed=seed + 2)
    return Findings(
        judge_on_real=float(judge.accuracy(test, test_labels)),
        judge_on_samples=float(judge.accuracy(guided, wish)),
        sliced_wasserstein=metrics.sliced_wasserstein(free, other),
        sliced_wasserstein_real_halves=metrics.sliced_wasserstein(half, other),
        nearest_training_image=_nearest(free, x),
        nearest_training_image_of_unseen=_nearest(test, x),
        seconds_training=seconds[0],
        seconds_sampling_100=seconds[1],
    )


def real_halves() -> tuple[Array, Array, Array]:
    """Split all 1,797 real digits at random. Returns (half, other half, labels of the first), halves (898, 8, 8, 1)."""
    x, labels = datasets.digits()
    rows = np.random.default_rng(0).permutation(len(x))
    first, second = rows[:HALF], rows[HALF : 2 * HALF]
    return x[first], x[second], labels[first]


def _nearest(images: Array, x: Array) -> float:
    return float(np.median(metrics.nearest(images, x)[1]))
