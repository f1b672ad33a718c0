"""A scheduler's settings as noise schedule and prediction kind, and back: what the network was trained on.

Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled_linear), Nichol and Dhariwal 2021 (squaredcos_cap_v2),
Lin et al. 2023 (zero terminal SNR), Esser et al. 2024 (flow matching).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scorefield.checkpoint import shorten
from scorefield.diffusers.defaults import CLASSES, FLOW, FLOW_HEUN, NEUTRAL
from scorefield.diffusers.settings import NOTHING, NUMBER, Settings, read_json
from scorefield.errors import FormatError, ScheduleWarning
from scorefield.schedules import Cosine, Linear, RectifiedFlow, ScaledLinear, Schedule, Table
from scorefield.schedules.discrete import DiscreteVP

MOST_STEPS = 1_000_000
LONGEST_TABLE = 100_000
OLD_NAMES = {"GaussianDDPMScheduler": "DDPMScheduler", "timesteps": "num_train_timesteps"}
LEARNED = "learned_range"  # between the two variances of Ho et al. 2020 (Nichol and Dhariwal 2021, eq. 15)
PREDICTIONS = {"epsilon": "eps", "v_prediction": "v", "sample": "x0"}


@dataclass(frozen=True)
class Law:
    """What a network was trained on.   name : of the scheduler's class."""

    name: str
    settings: Settings
    schedule: Schedule
    prediction: str

    @property
    def learns_variance(self) -> bool:
        """Whether half of the network's output is the variance of the steps."""
        return bool(self.settings.get("variance_type", (str, NOTHING)) == LEARNED)


def read(path: Path | None) -> Law:
    """Read scheduler_config.json; None stands for DDPM's defaults. FormatError names what is not supported."""
    values = {} if path is None else read_json(path)
    values = {OLD_NAMES.get(key, key): value for key, value in values.items()}
    name = values.get("_class_name", "DDPMScheduler")
    name = OLD_NAMES.get(name, name) if isinstance(name, str) else name
    path = path or Path("scheduler_config.json")
    if not isinstance(name, str) or name not in CLASSES:
        raise FormatError(f"{path}: _class_name: {shorten(name)} is not supported; supported: {', '.join(CLASSES)}")
    own = CLASSES[name]
    read = {key: value for key, value in values.items() if key in own}
    settings = Settings(path, {**read, "_class_name": name}, {**NEUTRAL, **own})
    flows = name in (FLOW, FLOW_HEUN) or settings.get("use_flow_sigmas", (bool, NOTHING))
    prediction = settings.choice("prediction_type", {"flow_prediction": "flow"} if flows else PREDICTIONS)
    return Law(name, settings, RectifiedFlow() if flows else _discrete(settings), prediction)


def config_of(schedule: Schedule, prediction: str, *, learned_variance: bool = False) -> dict[str, Any]:
    """Return the settings that say what a model was trained on; ValueError for what diffusers cannot."""
    if isinstance(schedule, RectifiedFlow) and schedule.shift == 1 and prediction == "flow":
        return {"_class_name": FLOW, "num_train_timesteps": 1000, "shift": 1.0}
    words = {kind: word for word, kind in PREDICTIONS.items()}
    if not isinstance(schedule, DiscreteVP) or (isinstance(schedule, Table) and schedule.sigmas is not None):
        raise ValueError(
            f"a DDPM pipeline has a discrete variance preserving schedule, such as Linear or Cosine, or "
            f"RectifiedFlow() with prediction flow; this model has {schedule} with prediction {prediction}"
        )
    if prediction not in words:
        raise ValueError(f"a DDPM pipeline predicts {', '.join(words)}; this model predicts {prediction}")
    common = {"num_train_timesteps": schedule.T, "prediction_type": words[prediction], "clip_sample": True}
    ddpm = {"clip_sample_range": 1.0, "timestep_spacing": "leading", "steps_offset": 0}
    variance = {"variance_type": LEARNED if learned_variance else "fixed_small"}
    return {"_class_name": "DDPMScheduler", **common, **ddpm, **variance, **_betas_of(schedule)}


def _betas_of(schedule: DiscreteVP) -> dict[str, Any]:
    if isinstance(schedule, Linear | ScaledLinear):
        name = "linear" if isinstance(schedule, Linear) else "scaled_linear"
        return {"beta_schedule": name, "beta_start": schedule.beta_min, "beta_end": schedule.beta_max}
    if schedule == Cosine(schedule.T or 1):
        return {"beta_schedule": "squaredcos_cap_v2"}
    given = schedule.betas if isinstance(schedule, Table) else None
    betas = schedule.beta(np.arange(1.0, (schedule.T or 1) + 1)) if given is None else given
    return {"trained_betas": np.asarray(betas, float).tolist()}


def _discrete(s: Settings) -> Schedule:
    T = s.get("num_train_timesteps", int)
    if not 1 <= T <= MOST_STEPS:
        s.fail("num_train_timesteps", f"expected 1..{MOST_STEPS}, got {T}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScheduleWarning)  # who trained the network has been warned
        if s.get("trained_betas", (list, NOTHING)) is not None:
            schedule = s.built("trained_betas", lambda: _table(s.list_of("trained_betas", NUMBER, LONGEST_TABLE)))
        else:
            make: Callable[..., Schedule] = s.choice("beta_schedule", SCHEDULES)
            ends = float(s.get("beta_start", NUMBER)), float(s.get("beta_end", NUMBER))
            schedule = s.built("beta_schedule", lambda: make(T, *ends))
        zero = s.get("rescale_betas_zero_snr", bool)
        rescaled: Schedule = s.built("rescale_betas_zero_snr", schedule.zero_terminal_snr) if zero else schedule
        return rescaled


def _table(betas: list[float]) -> Schedule:
    if betas and betas[-1] == 1:  # zero terminal SNR
        return Table(alpha_bars=np.cumprod(1 - np.asarray(betas, np.float64)))
    return Table(betas=betas)


def _sigmoid(T: int, start: float, end: float) -> Schedule:
    """beta rises like a sigmoid of -6..6 (Xu et al. 2022, GeoDiff)."""
    return Table(betas=start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, T))))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": Linear,
    "scaled_linear": ScaledLinear,
    "squaredcos_cap_v2": lambda T, *_: Cosine(T),
    "sigmoid": _sigmoid,
}
