"""Digits of 28 x 28 pixels by two models of the score: `python -m benchmarks.mnist` trains both, and writes the table
and the pictures of docs/score_models.md. Stopped and called again, it goes on from its folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

import scorefield as sf
from scorefield._arrays import Array

DOCS = Path(__file__).resolve().parents[1] / "docs"
SHAPE, CLASSES = (28, 28, 1), 10
WIDTHS = (16, 32, 32)
STEPS, JUDGE_STEPS = 4000, 800
GUIDANCE = 2.0


@dataclasses.dataclass(frozen=True)
class Way:
    """A model of the score and how it is sampled."""

    name: str
    title: str
    model: sf.Diffusion
    sampler: sf.Sampler
    steps: int | None  # of the sampler; None: as many as its schedule has levels

    @property
    def calls(self) -> int:
        """Evaluations of the network for one sample: guided, each asks with the label and without."""
        levels = self.model.schedule.T if self.steps is None else self.steps
        assert levels is not None
        return 2 * levels * self.sampler.calls


def ways(x: Array, *, widths: tuple[int, ...] = WIDTHS, inner: int = 5, steps: int = 300) -> list[Way]:
    """Give the two models, untrained.

    x : training digits (n, 28, 28, 1), from which the ladder follows.   inner : Langevin steps at each of its levels.
    steps : of the predictor-corrector, each with one corrector step.
    """
    ladder = sf.schedules.Geometric.for_data(x)
    ncsn = sf.Diffusion(sf.UNet(SHAPE, widths=widths, classes=CLASSES), ladder, prediction="score")
    vp = sf.Diffusion(sf.UNet(SHAPE, widths=widths, classes=CLASSES), sf.schedules.VP(), prediction="eps")
    annealed = sf.samplers.AnnealedLangevin.for_ladder(ladder, inner=inner)
    corrected = sf.samplers.PredictorCorrector()
    return [
        Way("ncsn", "NCSN, annealed Langevin", ncsn, annealed, None),
        Way("vp", "VP-SDE, predictor-corrector", vp, corrected, steps),
    ]


def trained(model: Any, folder: Path, x: Array, labels: Array, steps: int, **words: Any) -> float:
    """Train up to `steps` steps, going on from the folder; returns the processor time of all calls in seconds.

    words : further words of `fit`. The time is kept in the folder too.
    """
    clock = folder / "seconds.txt"
    folder.mkdir(parents=True, exist_ok=True)
    before, begun = float(clock.read_text()) if clock.exists() else 0.0, time.process_time()
    try:
        model.fit(x, labels, steps=steps, batch_size=64, lr=2e-3, run=sf.Run(folder, every=200, keep=1), **words)
    finally:
        seconds = before + time.process_time() - begun
        clock.write_text(f"{seconds:.2f}\n")
    return seconds


def judged(images: Array, wish: Array, judge: sf.Classifier, train: Array, test: Array) -> list[str]:
    """How often the judge reads the wished digits, and how far the images are from training images."""
    report = sf.metrics.report(images, train, test)
    return [f"{judge.accuracy(images, wish):.1%}", f"{report.nearest_ratio:.2f}", f"{report.copies:.1%}"]


def row(way: Way, seconds: float, wish: Array, given: tuple[sf.Classifier, Array, Array], picture: Path) -> list[str]:
    """Draw wished digits, show the first ten of each class, and say how good they are."""
    begun = time.process_time()
    images = way.model.sample(labels=wish, guidance=GUIDANCE, sampler=way.sampler, steps=way.steps, seed=1)
    took = time.process_time() - begun
    rows = np.concatenate([images[wish == k][:10] for k in range(CLASSES)])
    sf.plot.grid(rows, columns=10).savefig(picture)
    made = f"{len(wish)} in {took:.0f} s"
    return [way.title, f"{seconds:.0f} s", str(way.calls), made, *judged(images, wish, *given)]


def table(rows: list[list[str]]) -> str:
    """A table in Markdown."""
    head = ["", "training", "evaluations", "drawing", "digit read", "nearest ratio", "copies"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def settings(chosen: list[Way], steps: int) -> str:
    """What was trained, word for word."""
    net = chosen[0].model.net
    lines = [f"- {way.title}: `{way.model.schedule}`, `{way.sampler!r}`" for way in chosen]
    return "\n".join(
        [
            f"- both: `{net!r}`, {net.num_parameters:,} numbers, {steps:,} steps of 64 digits, guidance {GUIDANCE:g}",
            *lines,
        ]
    )


def insert(page: Path, name: str, text: str) -> None:
    """Write text between the marks of that name in a page."""
    before, mark, after = page.read_text().partition(f"<!-- {name} -->\n")
    if not mark:
        raise ValueError(f"{page} has no line <!-- {name} -->")
    page.write_text(before + mark + text + "\n<!-- end -->" + after.partition("<!-- end -->")[2])


def main() -> None:
    """Train, draw, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/mnist"), help="where training is kept")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of each model")
    parser.add_argument("--count", type=int, default=100, help="digits drawn by each model, a multiple of 10")
    given = parser.parse_args()
    (x, labels), (test, asked) = sf.datasets.mnist("train"), sf.datasets.mnist("test")
    judge = sf.Classifier(sf.Encoder(SHAPE, widths=WIDTHS, out=CLASSES))
    trained(judge, given.folder / "judge", x, labels, JUDGE_STEPS)
    wish = np.resize(np.arange(CLASSES), given.count)
    real = ["real digits, held out", "", "", "", *judged(test, asked, judge, x, test)]
    rows, chosen = [real], ways(x)
    for way in chosen:
        seconds = trained(way.model, given.folder / way.name, x, labels, given.steps)
        rows.append(row(way, seconds, wish, (judge, x, test), DOCS / f"pictures/mnist_{way.name}.png"))
    insert(DOCS / "score_models.md", "settings", settings(chosen, given.steps))
    insert(DOCS / "score_models.md", "digits", table(rows))


if __name__ == "__main__":
    main()
