"""`python -m benchmarks`: ours beside PyTorch on this machine.

Writes a page, its data and two pictures into benchmarks/results; `python -m benchmarks --readme` then copies the table
of the machine it runs on into the README.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from benchmarks import machine
from benchmarks.results import FOLDER, README, Overlay, Results


def arguments() -> argparse.Namespace:
    from benchmarks.measure import KINDS

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts to measure (1 2)")
    parser.add_argument("--work", nargs="+", default=list(KINDS), choices=KINDS, help="kinds of work (all)")
    parser.add_argument("--only", help="only networks whose name holds this text, e.g. 8x8 or MLP")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender; medians are reported (5)")
    parser.add_argument("--engine", default="fast", help="fast, direct or reference")
    parser.add_argument("--compile", action="store_true", help="PyTorch's networks also through torch.compile")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER, help="folder of the results")
    parser.add_argument(
        "--readme", action="store_true", help="measure nothing: copy this machine's table into README.md"
    )
    return parser.parse_args()


def main() -> None:
    """Measure what the options ask for; print rows as they come, write the results."""
    options = arguments()
    name = machine.slug()
    if options.readme:
        from benchmarks.report import insert

        insert(README, Results.load(options.out / f"{name}.json").short(name))
        return
    machine.keep_freed_memory()
    write(measured(options), options.out, name)


def measured(options: argparse.Namespace) -> Results:
    """All that the options ask for."""
    from benchmarks import measure, report

    results = Results(machine.cpu(), machine.versions(), machine.peak(options.threads))
    print(f"{results.heading()}\n\n{report.HEAD}", flush=True)
    for row in measure.rows(options):
        results.rows.append(row)
        print(row.markdown(), flush=True)
    after = machine.peak(options.threads)
    results.peaks = {t: max(p, after[t]) for t, p in results.peaks.items()}
    if "losses" in options.work and not options.only:
        results.overlay = _overlay()
    return results


def _overlay(window: int = 10) -> Overlay:
    from benchmarks import overlay

    curves = overlay.curves()
    windows = [np.round(a.reshape(len(a), -1, window).mean(axis=2), 5).tolist() for a in (curves.ours, curves.theirs)]
    ours, theirs = (float(np.mean(a)) for a in curves.last())
    return Overlay(window, windows[0], windows[1], ours, theirs, *curves.difference())


def write(results: Results, folder: pathlib.Path, name: str) -> None:
    """Write page, data and pictures. Returns None."""
    from benchmarks import picture

    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder / f"{name}.json")
    (folder / f"{name}.md").write_text(results.markdown(name))
    timed = [row for row in results.rows if row.unit == "s" and row.threads == 2]
    if timed:
        picture.ratios(timed, folder / f"{name}.png")
    if results.overlay is not None:
        picture.losses(results.overlay, folder / f"{name}-losses.png")


if __name__ == "__main__":
    main()
