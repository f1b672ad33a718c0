"""What each scheduler class of diffusers does, in our words: sampler, clipping, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield.diffusers.levels import Levels, levels_of_points, timesteps
from scorefield.diffusers.scheduler import FLOW, Law
from scorefield.diffusers.settings import NUMBER, Settings
from scorefield.samplers import DDIM, Ancestral, Euler, EulerAncestral, Heun, Sampler
from scorefield.thresholding import DynamicThreshold

Array = NDArray[Any]
Clip = float | DynamicThreshold | None

CURVES = dict.fromkeys(("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas"), False)
THRESHOLDS = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
CLIPS = {"clip_sample": True, "clip_sample_range": 1.0, **THRESHOLDS}
POINTS: dict[str, Any] = {"timestep_spacing": "linspace", "steps_offset": 0, **CURVES, **THRESHOLDS}
POINTS |= {"sigma_min": None, "sigma_max": None, "final_sigmas_type": None, "lambda_min_clipped": -float("inf")}
LEADING = {"timestep_spacing": "leading", "steps_offset": 0, **CLIPS}
DPM = {**POINTS, "solver_order": 2, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"}
DPM |= {"lower_order_final": True, "euler_at_final": False}
USUAL_STEPS = 50


@dataclass(frozen=True)
class Plan:
    """How a class samples.   stops : times of a grid, (S + 1,), or levels still to be placed on the schedule."""

    sampler: Sampler
    clip: Clip
    stops: Array | Levels


@dataclass(frozen=True)
class Kind:
    """A scheduler class.   defaults : of the settings that say how it samples.   plan : (law, steps) -> Plan."""

    plan: Callable[[Law, int], Plan]
    defaults: dict[str, Any]
    usual_steps: int | None = USUAL_STEPS  # None: T, at most 1000

    def steps(self, law: Law) -> int:
        """Steps when nobody says how many."""
        return self.usual_steps or min(law.schedule.T or 1000, 1000)


def _ddpm(law: Law, steps: int) -> Plan:
    s = law.settings
    kinds = {"fixed_small": "beta_tilde", "fixed_small_log": "beta_tilde", "fixed_large": "beta"}
    return Plan(Ancestral(s.choice("variance_type", kinds)), clip_of(s), np.append(timesteps(s, steps) + 1, 0))


def _ddim(law: Law, steps: int) -> Plan:
    s = law.settings
    clip = clip_of(s)
    if isinstance(clip, DynamicThreshold):
        s.fail("sample_max_value", "dynamic thresholding of DDIMScheduler is supported for 1.0 only, which clips at 1")
    return Plan(DDIM(clip=clip), None, _by_strides(s, timesteps(s, steps) + 1, clip is not None))


def _by_strides(s: Settings, times: Array, clips: bool) -> Array:
    """Return the times of a class that steps from t to t - T // S, whatever the next time is."""
    stride = s.get("num_train_timesteps", int) // len(times)
    if (times[:-1] - times[1:] != stride).any() or times[-1] - stride > 0:
        s.fail(
            "timestep_spacing",
            f"{s.get('timestep_spacing', str)!r} with {len(times)} steps is not supported: this class steps by "
            f"T // S = {stride}, which does not lead from one of its times to the next; use another number of steps",
        )
    if s.get("set_alpha_to_one", bool):
        return np.append(times, 0)
    if times[-1] > 1:
        return np.append(times, 1)
    if clips:
        s.fail("set_alpha_to_one", "false, with clipping and without steps_offset, is not supported")
    return times  # its last step leads from the first time to itself


def _euler(law: Law, steps: int) -> Plan:
    s = law.settings
    s.choice("interpolation_type", {"linear": None})
    s.choice("timestep_type", {"discrete": None})
    return Plan(Euler(), None, levels_of_points(s, steps))


def _euler_ancestral(law: Law, steps: int) -> Plan:
    return Plan(EulerAncestral(), None, levels_of_points(law.settings, steps))


def _heun(law: Law, steps: int) -> Plan:
    return Plan(Heun(), clip_of(law.settings), levels_of_points(law.settings, steps))


def _flow(law: Law, steps: int) -> Plan:
    """Esser et al. 2024: equal steps of sigma, shifted; their smallest sigma has been shifted before."""
    s = law.settings
    for name in ("use_dynamic_shifting", "invert_sigmas", "stochastic_sampling", *CURVES):
        s.choice(name, {False: None, None: None})
    s.choice("shift_terminal", {None: None})
    s.choice("num_train_timesteps", {1000: None})
    shift = float(s.get("shift", NUMBER))

    def shifted(sigma: Any) -> Any:
        return shift * sigma / (1 + (shift - 1) * sigma)

    return Plan(Euler(), None, np.append(shifted(np.linspace(1, shifted(1 / 1000), steps)), 0))


def clip_of(s: Settings) -> Clip:
    """Return how x0_hat is held: thresholding comes before clipping, and at most 1 it is clipping at 1."""
    if s.get("thresholding", bool):
        largest = float(s.get("sample_max_value", NUMBER))
        if largest <= 1:
            return 1.0
        ratio = float(s.get("dynamic_thresholding_ratio", NUMBER))
        threshold: DynamicThreshold = s.built("thresholding", lambda: DynamicThreshold(ratio, largest))
        return threshold
    return float(s.get("clip_sample_range", NUMBER)) if s.get("clip_sample", bool) else None


DDPM_WORDS = {**LEADING, "variance_type": "fixed_small"}
FLOW_WORDS: dict[str, Any] = {
    "shift": 1.0,
    "use_dynamic_shifting": False,
    "invert_sigmas": False,
    "stochastic_sampling": False,
}
FLOW_WORDS |= {"shift_terminal": None, **CURVES}
EULER_WORDS = {"interpolation_type": "linear", "timestep_type": "discrete"}
CLASSES = {
    "DDPMScheduler": Kind(_ddpm, DDPM_WORDS, None),
    "DDIMScheduler": Kind(_ddim, {**LEADING, "set_alpha_to_one": True}),
    "EulerDiscreteScheduler": Kind(_euler, {**POINTS, **EULER_WORDS}),
    "EulerAncestralDiscreteScheduler": Kind(_euler_ancestral, POINTS),
    "HeunDiscreteScheduler": Kind(_heun, {**POINTS, "clip_sample": False, "clip_sample_range": 1.0}),
    FLOW: Kind(_flow, FLOW_WORDS),
}
DEFAULTS = {name: kind.defaults for name, kind in CLASSES.items()}
