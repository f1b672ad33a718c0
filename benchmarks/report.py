"""Rows of the comparison, as Markdown, in `results/` and between two marks of the README."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.goals import Goal

BEGIN = "<!-- measured by python -m benchmarks -->"
END = "<!-- end of what is measured -->"
HEAD = "| work | threads | scorefield | PyTorch | ratio | must | aim |\n|---|---|---|---|---|---|---|"
UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)),
    "B": (("GB", 2.0**30), ("MB", 2.0**20), ("kB", 2.0**10)),
}


@dataclass(frozen=True)
class Row:
    """One line: what ours and PyTorch's best took, in seconds ("s") or bytes ("B"); `peer` names that best."""

    work: str
    threads: int
    ours: float
    theirs: float
    peer: str
    goal: Goal | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """PyTorch's figure over ours: above 1 we need less."""
        return self.theirs / self.ours

    def markdown(self) -> str:
        """The row of a table; goals are for two threads and stand only there."""
        goals = (f"{self.goal.must:g}", f"{self.goal.aim:g}") if self.goal and self.threads == 2 else ("", "")
        short = "" if self.goal is None or self.threads != 2 or self.ratio >= self.goal.must else " (short)"
        theirs = f"{quantity(self.theirs, self.unit)} ({self.peer})"
        cells = (self.work, str(self.threads), quantity(self.ours, self.unit), theirs, f"**{self.ratio:.2f}**{short}")
        return "| " + " | ".join((*cells, *goals)) + " |"


def quantity(value: float, unit: str) -> str:
    """Three digits in the smallest unit that leaves a number below 1000.

    >>> quantity(0.0123, "s"), quantity(3 * 2**20, "B"), quantity(1010 * 2**20, "B")
    ('12.3 ms', '3 MB', '0.986 GB')
    """
    for name, scale in reversed(UNITS[unit]):
        if value < 999.5 * scale:
            return f"{value / scale:.3g} {name}"
    name, scale = UNITS[unit][0]
    return f"{value / scale:.0f} {name}"


def table(rows: Iterable[Row]) -> str:
    """All rows as one table."""
    return "\n".join([HEAD, *(row.markdown() for row in rows)])


def scaling(rows: Sequence[Row]) -> str:
    """How much quicker ours becomes with the second thread, and PyTorch; empty if one was not measured."""
    one = {row.work: row for row in rows if row.threads == 1 and row.unit == "s"}
    two = {row.work: row for row in rows if row.threads == 2 and row.unit == "s"}
    both = [work for work in one if work in two]
    if not both:
        return ""
    lines = ["| work, from 1 to 2 threads | scorefield | PyTorch |", "|---|---|---|"]
    for work in both:
        ours, theirs = one[work].ours / two[work].ours, one[work].theirs / two[work].theirs
        lines.append(f"| {work} | {ours:.2f} | {theirs:.2f} |")
    return "\n".join(lines)


def insert(readme: pathlib.Path, text: str) -> None:
    """Put `text` between the two marks of a file. Returns None; ValueError if it has no such marks."""
    whole = readme.read_text()
    if BEGIN not in whole or END not in whole:
        raise ValueError(f"{readme} has no lines {BEGIN!r} and {END!r} to write between")
    before, rest = whole.split(BEGIN, 1)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}")
