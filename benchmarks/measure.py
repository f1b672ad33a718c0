"""What is measured, in the order of the table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

import scorefield as sf
from benchmarks import cases, footprint, goals, memory, networks
from benchmarks.goals import Goal
from benchmarks.report import Row
from benchmarks.timing import interleave

KINDS = ("noise", "training", "evaluation", "loops", "memory", "footprint", "losses")
PEERS = ("torch NCHW", "torch NHWC")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Rows of the table, one by one as they are ready; kinds and networks as the options ask."""
    for threads in options.threads:
        sf.set_num_threads(threads)
        torch.set_num_threads(threads)
        for kind, measured in (
            ("noise", _noise),
            ("training", _training),
            ("evaluation", _evaluation),
            ("loops", _loops),
        ):
            if kind in options.work:
                yield from measured(threads, options)
    if "memory" in options.work:
        yield from _memory(max(options.threads), options)
    if "footprint" in options.work and not options.only:
        yield from _footprint()


def _compare(
    work: str,
    threads: int,
    contenders: cases.Contenders,
    units: int,
    goal: Goal,
    options: argparse.Namespace,
    more: int = 1,
) -> Row:
    """Ours beside the quickest of the others; `units` pieces of work per call, `more` times as many in ours."""
    timings = {name: t.per(units) for name, t in interleave(contenders, rounds=options.rounds).items()}
    ours = timings.pop(cases.OURS).per(more)
    peer = min(timings, key=lambda name: timings[name].median)
    return Row(work, threads, ours.median, timings[peer].median, peer, goal)


def _wanted(all_cases: tuple[networks.Case, ...], options: argparse.Namespace) -> Iterator[networks.Case]:
    for case in all_cases:
        if not options.only or options.only.lower() in case.name.lower():
            yield case


def _noise(threads: int, options: argparse.Namespace) -> Iterator[Row]:
    if options.only:
        return
    count = cases.NUMBERS
    for words, shape in (("rows of 4096", (count // 4096, 4096)), ("a flat array", (count,))):
        contenders = cases.noise(shape)
        yield _compare(f"noise, a number, {words}", threads, contenders, count, goals.NOISE, options)


def _training(threads: int, options: argparse.Namespace) -> Iterator[Row]:
    for case in _wanted((*networks.UNETS, *networks.MLPS), options):
        steps = 2 if isinstance(case, networks.UNetCase) else 4
        goal = goals.MLP_TRAINING.get(case.name, goals.NETWORK)
        contenders = cases.training(case, options.engine, steps, options.compile)
        yield _compare(f"{case.name}, training step", threads, contenders, steps, goal, options, cases.FIT)


def _evaluation(threads: int, options: argparse.Namespace) -> Iterator[Row]:
    for case in _wanted(networks.UNETS, options):
        contenders = cases.evaluation(case, options.engine, 4, options.compile)
        yield _compare(f"{case.name}, evaluation", threads, contenders, 4, goals.NETWORK, options)


def _loops(threads: int, options: argparse.Namespace) -> Iterator[Row]:
    for case in _wanted(networks.LOOPS, options):
        assert isinstance(case, networks.MLPCase)
        contenders = cases.loop(case, options.engine, 1000)
        yield _compare(f"{case.name}, 1000 DDIM steps", threads, contenders, 1, goals.LOOPS[case.name], options)


def _memory(threads: int, options: argparse.Namespace) -> Iterator[Row]:
    for case in _wanted((*networks.UNETS, *networks.MLPS), options):
        ours = memory.measure("scorefield", case.name, threads)
        peers = PEERS if isinstance(case, networks.UNetCase) else ("torch",)
        theirs = {name: memory.measure(name, case.name, threads) for name in peers}
        best = min(theirs, key=lambda name: theirs[name])
        yield Row(f"{case.name}, memory of training", threads, ours, theirs[best], best, goals.MEMORY, "B")


def _footprint() -> Iterator[Row]:
    imports = [footprint.import_seconds(package) for package in ("scorefield", "torch")]
    yield Row("import, beyond NumPy", 2, imports[0], imports[1], "torch", goals.IMPORT)
    sizes = [footprint.installed_bytes(package) for package in ("scorefield", "torch")]
    yield Row("installed size", 2, sizes[0], sizes[1], "torch", goals.SIZE, "B")
