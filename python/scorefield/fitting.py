"""What the words of `fit` mean, for every model: checks of data and settings, runs that go on, the end by callback."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield import _core, checkpoint
from scorefield._arrays import integer, label_array, number, real_array, seed_number
from scorefield._progress import Progress
from scorefield.history import Event
from scorefield.learner import Trainer
from scorefield.optim import resolve_optimizer
from scorefield.run import Run, as_run
from scorefield.trainable import Trainable
from scorefield.training import Data, Plan, Session, Settings, differences, log

Array = NDArray[Any]
Callback = Callable[[Event], object]


def labels_for(net: Any, labels: Any, n: int) -> Array | None:
    """Return labels as int64 (n,), -1 = none; ValueError if the network takes none, or takes them and none came."""
    classes = net.classes
    if labels is None:
        if classes is not None:
            raise ValueError(
                f"the network has classes={classes}, but no labels came; None or -1 is a row without label"
            )
        return None
    if classes is None:
        raise ValueError("labels came, but the network has no classes; make it with classes=..., or leave them out")
    return label_array(labels, "labels", n=n, classes=classes)


def condition_for(net: Any, condition: Any, n: int) -> Array | None:
    """Return the condition as float32 (n, *net.condition); ValueError if the network and the data disagree about it."""
    shape = net.condition
    if condition is None:
        if shape is not None:
            raise ValueError(f"the network takes a condition of shape {tuple(shape)}, but none came; give condition=")
        return None
    if shape is None:
        raise ValueError("a condition came, but the network takes none; make it with condition=..., or leave it out")
    return real_array(condition, "condition", shape=(n, *shape))


def rows(x: Any, shape: tuple[int, ...], name: str = "x") -> Array:
    """Return training rows as float32 (n, *shape)."""
    return real_array(x, name, shape=("n", *shape), images=len(shape) == 3)


def weights_of_rows(sample_weight: Any, labels: Array | None, n: int) -> Array | None:
    """Return how often each row is drawn, float64 (n,): given, or "balanced" = every class as often as every other."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        if sample_weight != "balanced":
            raise ValueError(f"sample_weight must be numbers or 'balanced', got {sample_weight!r}")
        if labels is None:
            raise ValueError("sample_weight='balanced' needs labels")
        _, kind, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return 1.0 / counts[kind]
    weight = real_array(sample_weight, "sample_weight", shape=(n,), dtype=np.float64)
    if (weight < 0).any() or not weight.sum() > 0:
        raise ValueError(
            f"sample_weight must be >= 0 with a positive sum, got from {weight.min():g} to {weight.max():g}"
        )
    return weight


def settings_of(
    *,
    steps: Any,
    begin: int,
    batch_size: Any,
    lr: Any,
    loss: Any,
    optimizer: Any,
    ema: Any,
    p_uncond: Any = 0.0,
    condition_noise: Any = 0.0,
    shards: Any,
    seed: Any,
) -> Settings:
    """Return the settings of a fit of `steps` steps from step `begin` on; TypeError or ValueError for nonsense."""
    end = begin + integer(steps, "steps", 1, 2**32 - 1 - begin)
    rule: Any = resolve_optimizer(optimizer, lr)
    if getattr(rule, "decay", "constant") != "constant" and rule.decay_steps is None:
        rule = dataclasses.replace(rule, decay_steps=end)  # part of the result: a run must see when it changes
    size = integer(batch_size, "batch_size", 1, 2**24)
    return Settings(
        batch_size=size,
        optimizer=rule,
        loss=loss,
        ema=number(ema, "ema", 0, 1, open_high=True),
        p_uncond=number(p_uncond, "p_uncond", 0, 1),
        condition_noise=number(condition_noise, "condition_noise", 0),
        shards=0 if shards is None else integer(shards, "shards", 1, size),
        seed=seed_number(seed),
    )


def train(
    model: Trainable,
    data: Data,
    held_out: Data | None,
    settings: Callable[[int], Settings],
    *,
    steps: int,
    every: Any,
    run: Run | str | os.PathLike[str] | None,
    progress: Progress,
) -> Iterator[Event]:
    """Return the events of a fit. Checks come at once, training when the first event is asked for.

    settings : settings of a fit that begins at the given step.
    """
    steps, every, run = integer(steps, "steps", 1), integer(every, "every", 1), as_run(run)
    settings(model._learner.step)  # complains now, not at the first event
    if run is not None:
        run.steps()
    return _train(model, data, held_out, settings, steps, Plan(0, 0, every, run, progress))


def _train(
    model: Trainable, data: Data, held_out: Data | None, settings: Callable[[int], Settings], steps: int, plan: Plan
) -> Iterator[Event]:
    learner = model._learner
    with learner.alone():
        print_of_data = data.fingerprint()
        begin = learner.step if plan.run is None else _go_on(model, plan.run, settings, print_of_data, steps)
        chosen = settings(begin)
        plan = dataclasses.replace(plan, begin=learner.step, end=begin + steps)
        if plan.begin == plan.end:
            return  # the run had finished
        model._learn_units(data)
        trainer = model._trainer(chosen)
        give(trainer, model._units(data), chosen.condition_noise)
        learner.hand_over(trainer, record(begin, begin + steps, chosen, print_of_data, len(data.x)))
        _say_if_threads_idle(trainer.shards)
        ask = None if held_out is None else _asker(model._units(held_out), chosen.ema > 0)
        session = Session(learner, trainer, plan, chosen.batch_size, chosen.optimizer.lr, ask, model.save)
        yield from session.events()


def _say_if_threads_idle(shards: int) -> None:
    if shards < _core.threads():
        advice = "a larger batch_size, or shards= in fit, would use more (and changes the result)"
        log.info("training uses %d of %d threads: %s", shards, _core.threads(), advice)


def give(trainer: Any, data: Data, condition_noise: float) -> None:
    """Hand the training data to the core, a row per sample."""
    trainer.set_data(
        flat(data.x),
        data.labels,
        flat(data.condition),
        None,
        flat(data.noise),
        data.weight,
        condition_noise=condition_noise,
    )


def flat(a: Array | None) -> Array | None:
    """Return a (n, ...) as (n, everything else)."""
    return None if a is None else np.ascontiguousarray(a).reshape(len(a), -1)


def _asker(data: Data, average: bool) -> Callable[[Trainer], tuple[float, Array]]:
    def ask(trainer: Any) -> tuple[float, Array]:
        found: tuple[float, Array] = trainer.evaluate(
            flat(data.x), data.labels, flat(data.condition), None, bins=10, seed=0, average=average
        )
        return found

    return ask


def record(begin: int, end: int, settings: Settings, data: str, count: int) -> dict[str, Any]:
    """Return what a file tells about the last fit."""
    return {"begin": begin, "end": end, "settings": settings.describe(), "data": data, "rows": count}


def _go_on(model: Trainable, run: Run, settings: Callable[[int], Settings], data: str, steps: int) -> int:
    """Take the model to the last checkpoint of the run, if there is one. Returns the step where the run began.

    ValueError if the folder is of another model, other settings or other data.
    """
    path = run.latest()
    if path is None:
        return model._learner.step
    saved = checkpoint.load(path)
    there = saved._learner.stage.record
    if there is None:
        raise ValueError(f"run {run.path!r} holds a model that was never trained; choose another folder")
    begin, reached = there["begin"], saved._learner.step
    wanted = record(begin, begin + steps, settings(begin), data, 0)
    ignore = {"end", "rows"}
    old, new = (
        {k: v for k, v in {**m._identity(), **r}.items() if k not in ignore}
        for m, r in ((saved, there), (model, wanted))
    )
    found = differences(old, new)
    if found:
        raise ValueError(
            f"run {run.path!r} was begun with other settings or data: {'; '.join(found)}; choose another folder"
        )
    if reached > begin + steps:
        raise ValueError(f"run {run.path!r} has made {reached - begin} steps already, more than steps={steps}")
    if model._learner.step not in (0, begin, reached):
        raise ValueError(
            f"the model stands at step {model._learner.step}, the run {run.path!r} at {reached}; "
            "go on with sf.load(folder) or a new model, or choose another folder"
        )
    model._become(saved)
    return int(begin)


def finish(events: Iterator[Event], callback: Callback | None) -> None:
    """Train to the end, or until callback(event) returns True."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of the event, got {callback!r}")
    with contextlib.closing(events) as running:  # type: ignore[type-var]
        for event in running:
            if callback is not None and callback(event) is True:
                return
