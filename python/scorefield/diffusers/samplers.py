"""What each scheduler class of diffusers does, in our words: sampler, clipping, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield.diffusers.defaults import CURVES, FLOW
from scorefield.diffusers.levels import Levels, levels_of_intervals, levels_of_points, timesteps
from scorefield.diffusers.scheduler import LEARNED, Law
from scorefield.diffusers.settings import NUMBER, Settings
from scorefield.samplers import (
    DDIM,
    DEIS,
    DPM2,
    LMS,
    PNDM,
    Ancestral,
    DPMSolver,
    DPMSolverPP,
    Euler,
    EulerAncestral,
    Heun,
    Sampler,
    UniPC,
)
from scorefield.thresholding import DynamicThreshold

Array = NDArray[Any]
Clip = float | DynamicThreshold | None
FEW = 15  # steps below which the DPM-Solvers end with lower orders


@dataclass(frozen=True)
class Plan:
    """How a class samples.   stops : times of a grid, (S + 1,), or levels still to be placed on the schedule."""

    sampler: Sampler
    clip: Clip
    stops: Array | Levels


def plan_of(law: Law, steps: int) -> Plan:
    """Return how the scheduler samples in this many steps; FormatError names what cannot be had."""
    return PLANS[law.name](law.settings, steps)


def _ddpm(s: Settings, steps: int) -> Plan:
    kinds = {"fixed_small": "beta_tilde", "fixed_small_log": "beta_tilde", "fixed_large": "beta", LEARNED: "learned"}
    return Plan(Ancestral(s.choice("variance_type", kinds)), clip_of(s), np.append(timesteps(s, steps) + 1, 0))


def _ddim(s: Settings, steps: int) -> Plan:
    clip = clip_of(s)
    if isinstance(clip, DynamicThreshold):
        s.fail("sample_max_value", "dynamic thresholding of DDIMScheduler is supported for 1.0 only, which clips at 1")
    return Plan(DDIM(clip=clip), None, _by_strides(s, timesteps(s, steps) + 1, clips=clip is not None))


def _pndm(s: Settings, steps: int) -> Plan:
    start = "heun" if s.get("skip_prk_steps", bool) else "runge_kutta"
    s.choice("prediction_type", {"epsilon": None})  # of v it would average v, not the noise
    times = _by_strides(s, timesteps(s, steps) + 1, clips=False)
    if start == "runge_kutta" and (len(times) < 4 or (times[0] - times[1]) % 2):
        s.fail(
            "skip_prk_steps",
            f"false is not supported with {steps} steps: the half steps of the start need at least 4 steps, an even "
            "number of timesteps apart; use another number of steps",
        )
    return Plan(PNDM(start, last="method"), None, times)


def _by_strides(s: Settings, times: Array, *, clips: bool) -> Array:
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


def _euler(s: Settings, steps: int) -> Plan:
    s.choice("interpolation_type", {"linear": None})
    s.choice("timestep_type", {"discrete": None})
    return Plan(Euler(), None, levels_of_points(s, steps))


def _of_points(make: Callable[[], Sampler]) -> Callable[[Settings, int], Plan]:
    return lambda s, steps: Plan(make(), None, levels_of_points(s, steps))


def _heun(s: Settings, steps: int) -> Plan:
    return Plan(Heun(), clip_of(s), levels_of_points(s, steps))


def _dpm2(ancestral: bool) -> Callable[[Settings, int], Plan]:
    """Asks half way as well, in log(sigma / alpha), and tells the network the time that belongs there."""

    def plan(s: Settings, steps: int) -> Plan:
        levels = levels_of_points(s, steps, rounded=True, half_way=True)
        return Plan(DPM2(ancestral), None, levels)

    return plan


def _dpm_solver(s: Settings, steps: int) -> Plan:
    _refuse_flows(s)
    order, levels = _order(s), levels_of_intervals(s, steps)
    solver = s.choice(
        "solver_type", {"heun": "heun", **dict.fromkeys(("midpoint", "logrho", "bh1", "bh2"), "midpoint")}
    )
    few = s.get("lower_order_final", bool) and steps < FEW
    lower = order - 1 if few else int(s.get("euler_at_final", bool))
    words: dict[str, Any] = {"solver": solver, "half_d2": order == 3, "lower_order_final": _kept(s, levels, lower)}
    stochastic = {"dpmsolver++": False, "deis": False, "sde-dpmsolver++": True, "dpmsolver": None}
    form = s.choice("algorithm_type", stochastic)
    if form is None:
        return Plan(DPMSolver(order, "multistep", **words), clip_of(s), levels)
    return Plan(DPMSolverPP(order, stochastic=form, **words), clip_of(s), levels)


def _dpm_single(s: Settings, steps: int) -> Plan:
    """Its steps of order 2 and 3 take the points between from the grid, ours lie at fixed parts of log-SNR."""
    _refuse_flows(s)
    s.choice("algorithm_type", {"dpmsolver++": None})
    if _order(s) > 1:
        s.fail(
            "solver_order", "2 and 3 of DPMSolverSinglestepScheduler are not supported; the multistep class has them"
        )
    return Plan(DPMSolverPP(1), clip_of(s), levels_of_intervals(s, steps))


def _deis(s: Settings, steps: int) -> Plan:
    _refuse_flows(s)
    s.choice("algorithm_type", dict.fromkeys(("deis", "dpmsolver", "dpmsolver++")))
    s.choice("solver_type", dict.fromkeys(("logrho", "midpoint", "heun", "bh1", "bh2")))
    order, levels = _order(s), levels_of_intervals(s, steps, final="sigma_min")
    lower = order - 1 if s.get("lower_order_final", bool) and steps < FEW else 0
    sampler = DEIS(order, polynomial="log_rho", lower_order_final=_kept(s, levels, lower))
    return Plan(sampler, clip_of(s), levels)


def _uni_pc(s: Settings, steps: int) -> Plan:
    _refuse_flows(s)
    s.choice("predict_x0", {True: None})
    s.choice("solver_p", {None: None})
    if s.get("disable_corrector", list):
        s.fail("disable_corrector", "steps without corrector are not supported")
    kinds = {"bh1": "bh1", **dict.fromkeys(("bh2", "midpoint", "heun", "logrho"), "bh2")}
    order, levels = _order(s), levels_of_intervals(s, steps)
    lower = order if s.get("lower_order_final", bool) else 0
    sampler = UniPC(order, s.choice("solver_type", kinds), lower_order_final=_kept(s, levels, lower))
    return Plan(sampler, clip_of(s), levels)


def _kept(s: Settings, levels: Levels, lower: int) -> int:
    """Return lower_order_final where the last step, from a level to itself, is left out: the one before is not last."""
    if levels.ends_twice and lower > 1:
        s.fail(
            "final_sigmas_type", "lower orders at the end, where the last two levels are the same, are not supported"
        )
    return 0 if levels.ends_twice else lower


def _order(s: Settings) -> int:
    order: int = s.choice("solver_order", {1: 1, 2: 2, 3: 3})
    return order


def _refuse_flows(s: Settings) -> None:
    for name in ("use_flow_sigmas", "use_dynamic_shifting"):
        s.choice(name, {False: None, None: None})
    s.choice("variance_type", {None: None, "fixed_small": None, "fixed_large": None, LEARNED: None})


def _flow(s: Settings, steps: int) -> Plan:
    """Esser et al. 2024: equal steps of sigma, shifted; their smallest sigma has been shifted before."""
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


PLANS: dict[str, Callable[[Settings, int], Plan]] = {
    "DDPMScheduler": _ddpm,
    "DDIMScheduler": _ddim,
    "PNDMScheduler": _pndm,
    "LMSDiscreteScheduler": _of_points(lambda: LMS(last="method")),
    "EulerDiscreteScheduler": _euler,
    "EulerAncestralDiscreteScheduler": _of_points(EulerAncestral),
    "HeunDiscreteScheduler": _heun,
    "KDPM2DiscreteScheduler": _dpm2(False),
    "KDPM2AncestralDiscreteScheduler": _dpm2(True),
    "DPMSolverMultistepScheduler": _dpm_solver,
    "DPMSolverSinglestepScheduler": _dpm_single,
    "DEISMultistepScheduler": _deis,
    "UniPCMultistepScheduler": _uni_pc,
    FLOW: _flow,
}
