"""One run of all benchmarks: kept as JSON, shown as Markdown with two pictures, and in short in the README."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from benchmarks import report
from benchmarks.goals import Goal
from benchmarks.report import Row

FOLDER = pathlib.Path(__file__).with_name("results")
README = pathlib.Path(__file__).parents[1] / "README.md"


@dataclasses.dataclass
class Overlay:
    """Learning curves: means over windows of `window` steps, (seeds, windows); the last losses, and their difference
    with its standard error.
    """

    window: int
    ours: list[list[float]]
    theirs: list[list[float]]
    last_ours: float
    last_theirs: float
    difference: float
    error: float


@dataclasses.dataclass
class Results:
    """Everything that a run measured. `peaks`: GFLOP/s by number of threads."""

    machine: str
    versions: str
    peaks: dict[int, float]
    rows: list[Row] = dataclasses.field(default_factory=list)
    overlay: Overlay | None = None

    def save(self, path: pathlib.Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: pathlib.Path) -> Results:
        raw = json.loads(path.read_text())
        rows = [Row(**(r | {"goal": Goal(**r["goal"]) if r["goal"] else None})) for r in raw["rows"]]
        overlay = Overlay(**raw["overlay"]) if raw["overlay"] else None
        peaks = {int(t): float(p) for t, p in raw["peaks"].items()}
        return cls(raw["machine"], raw["versions"], peaks, rows, overlay)

    def heading(self) -> str:
        """The machine in one paragraph."""
        peaks = ", ".join(f"{p:.0f} GFLOP/s on {t} thread{'s' if t > 1 else ''}" for t, p in self.peaks.items())
        return f"{self.machine}; multiply-adds measured beside it: {peaks or 'no compiler'}. {self.versions}."

    def markdown(self, slug: str) -> str:
        """The page of this machine."""
        parts = ["# scorefield beside PyTorch", self.heading(), EXPLANATION, f"![Ratios]({slug}.png)"]
        parts += [report.table(self.rows), report.scaling(self.rows)]
        if self.overlay is not None:
            parts += [f"![Learning curves]({slug}-losses.png)", _words(self.overlay)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def short(self, slug: str) -> str:
        """What stands in the README: two threads, without goals."""
        lines = ["| work | scorefield | PyTorch | ratio |", "|---|---|---|---|"]
        for row in self.rows:
            if row.threads != 2:
                continue
            ours, theirs = report.quantity(row.ours, row.unit), report.quantity(row.theirs, row.unit)
            lines.append(f"| {row.work} | {ours} | {theirs} | **{row.ratio:.1f}** |")
        where = f"All figures, one thread, and learning curves: [benchmarks/results](benchmarks/results/{slug}.md)."
        picture = f"![Ratios to PyTorch, with what was promised and hoped for](benchmarks/results/{slug}.png)"
        return f"\n{self.heading()}\n\n{picture}\n\n" + "\n".join(lines) + f"\n\n{where}\n"


EXPLANATION = (
    "Made by `python -m benchmarks --threads 1 2`. Contenders take turns in one run; medians. A training step is "
    "noise, forward, backward, clipping, Adam and an average of the weights; an evaluation is one DDIM step of ours "
    "beside a bare call of PyTorch's network. PyTorch: the same network with as many parameters, eager mode, the "
    "better of both memory layouts. Memory: the highest resident set during training above that after import and "
    "data, in a process of its own. Ratio: PyTorch's figure over ours."
)


def _words(o: Overlay) -> str:
    return (
        f"500 steps on real digits from equal weights, {len(o.ours)} seeds: mean loss of the last 100 steps "
        f"{o.last_ours:.4f} (scorefield) and {o.last_theirs:.4f} (PyTorch), difference {o.difference:+.4f} with "
        f"standard error {o.error:.4f}; times and noise are drawn by each library's own generator."
    )
