"""A scheduler's settings as keywords for `sample`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield._arrays import integer
from scorefield.diffusers import scheduler
from scorefield.diffusers.folder import root_of, scheduler_file
from scorefield.diffusers.levels import Levels
from scorefield.diffusers.samplers import plan_of
from scorefield.grids import Explicit, Grid, Leading, Linspace, Trailing
from scorefield.schedules import RectifiedFlow, Schedule

Array = NDArray[Any]
USUAL_STEPS = 50


def sampling(folder: str | os.PathLike[str], *, steps: int | None = None) -> dict[str, Any]:
    """Read how a folder's scheduler samples; returns keywords for `sample`: sampler, clip, and steps with grid.

    folder : with scheduler/scheduler_config.json, or that file in its root.
    steps : of its ``set_timesteps``; None: T for DDPM, else 50.

    With the same network and the same x_T a deterministic scheduler's numbers come out to 1e-5, or as far as its
    float32 lets them (docs/diffusers.md). The grid is one of `sf.grids` where that says the same, else an array of
    times, or `Explicit` where the network is told other times than those of the noise levels. Raises FormatError
    naming the key that cannot be had, OSError for missing files.

    >>> import tempfile, scorefield as sf
    >>> folder = tempfile.mkdtemp()
    >>> sf.diffusers.save(sf.Diffusion(sf.UNet((8, 8, 1), widths=(8, 16)), "linear"), folder)
    >>> sf.diffusers.sampling(folder)
    {'sampler': Ancestral(variance='beta_tilde'), 'clip': 1.0, 'steps': 1000, 'grid': Leading(offset=0, t_end=0.0)}
    """
    file = scheduler_file(root_of(folder))
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file, so nothing says how to sample; choose a sampler yourself")
    law = scheduler.read(file)
    most = law.schedule.T or 1_000_000
    usual = min(most, 1000 if law.name == "DDPMScheduler" else USUAL_STEPS)
    count = usual if steps is None else integer(steps, "steps", 1, most)
    plan = plan_of(law, count)
    stops = _named(law.schedule, count, plan.stops) if isinstance(plan.stops, np.ndarray) else _placed(law, plan.stops)
    words = {"sampler": plan.sampler, "clip": plan.clip, **stops}
    return {word: value for word, value in words.items() if value is not None}


def _named(schedule: Schedule, steps: int, times: Array) -> dict[str, Any]:
    """Return the keywords for these times: steps and a grid of `sf.grids` if one says the same."""
    if not isinstance(schedule, RectifiedFlow) and schedule.T is not None:
        offset = max(0, int(times[-2]) - 1)
        for grid in (Leading(offset), Leading(offset, t_end=1.0), Trailing(), Linspace()):
            if _same(grid, schedule, steps, times):
                return {"steps": steps, "grid": grid}
    return {"grid": np.asarray(times, np.float64)}


def _same(grid: Grid, schedule: Schedule, steps: int, times: Array) -> bool:
    try:
        return np.array_equal(grid(schedule, steps), times)
    except ValueError:  # this schedule or these steps do not carry it
        return False


def _placed(law: scheduler.Law, levels: Levels) -> dict[str, Any]:
    """Return the keywords for levels sigma / alpha, with what the network is told at each.

    A last step from a level to itself changes nothing and is left out.
    """

    def heard_at(timesteps: Array) -> Array:
        return timesteps / law.settings.get("num_train_timesteps", int) if levels.flow else timesteps + 1

    ratios, told, schedule = levels.ratios, heard_at(levels.told), law.schedule
    end = [] if levels.ends_twice else [0.0 if ratios[-1] == 0 else schedule.t_min]
    whole = bool(levels.placed and schedule.alpha(told[0]) != 0)
    if whole:
        return _named(schedule, len(told), np.append(told, end))
    start = schedule.at(schedule.t_max)
    highest = float(start.sigma / start.alpha) if start.alpha > 0 else np.inf

    asked = np.concatenate([ratios[: len(told)], levels.between[0]])
    heard = np.concatenate([told, heard_at(levels.between[1])])
    times = np.asarray(schedule.time_of(log_snr=-2 * np.log(np.minimum(asked, highest)))).tolist()
    pairs = sorted(set(zip(times, heard.tolist(), strict=True)), reverse=True)
    return {"grid": _explicit(law, (*times[: len(told)], *end), tuple(pairs))}


def _explicit(law: scheduler.Law, times: tuple[float, ...], told: tuple[tuple[float, float], ...]) -> Explicit:
    grid: Explicit = law.settings.built("timestep_spacing", lambda: Explicit(times, told=told))
    return grid
