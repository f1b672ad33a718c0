"""What each scheduler class of diffusers does, in our words: sampler, clipping, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield.diffusers.defaults import FLOW, FLOW_HEUN
from scorefield.diffusers.levels import Levels, curve_of, levels_of_intervals, levels_of_points, timesteps
from scorefield.diffusers.scheduler import LEARNED, LONGEST_TABLE, Law
from scorefield.diffusers.settings import NOTHING, NUMBER, Settings
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
    Renoise,
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
    if s.get("prediction_type", str) == "v_prediction":
        s.choice("timestep_type", {"discrete": None})  # else another way to say v and the time
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
    _refuse_others(s)
    order, levels = _order(s), levels_of_intervals(s, steps)
    few = s.get("lower_order_final", bool) and steps < FEW
    lower = order - 1 if few else int(s.get("euler_at_final", bool))
    words: dict[str, Any] = {"solver": _solver(s), "half_d2": order == 3, "lower_order_final": _kept(s, levels, lower)}
    stochastic = {"dpmsolver++": False, "deis": False, "sde-dpmsolver++": True, "dpmsolver": None}
    form = s.choice("algorithm_type", stochastic)
    if form is None:
        return Plan(DPMSolver(order, "multistep", **words), clip_of(s), levels)
    return Plan(DPMSolverPP(order, stochastic=form, **words), clip_of(s), levels)


def _dpm_single(s: Settings, steps: int) -> Plan:
    """Turns of steps of orders 1, 2, ...; where they fit the last is of order 1 all the same, if that is asked for."""
    _refuse_others(s)
    order, levels = _order(s), levels_of_intervals(s, steps)
    make = s.choice("algorithm_type", {"dpmsolver++": DPMSolverPP, "deis": DPMSolverPP, "dpmsolver": DPMSolver})
    whole = steps % order == 0
    lower = int(whole and s.get("lower_order_final", bool))
    if levels.ends_twice and order > 1 and not lower and (steps - 1) % order > 0:
        s.fail("final_sigmas_type", "a last step of higher order from a level to itself is not supported")
    words: dict[str, Any] = {"solver": _solver(s), "lower_order_final": 0 if levels.ends_twice else lower}
    return Plan(make(order, "singlestep", between="grid", **words), clip_of(s), levels)


def _solver(s: Settings) -> str:
    kinds = {"heun": "heun", **dict.fromkeys(("midpoint", "logrho", "bh1", "bh2"), "midpoint")}
    solver: str = s.choice("solver_type", kinds)
    return solver


def _deis(s: Settings, steps: int) -> Plan:
    _refuse_others(s)
    s.choice("algorithm_type", dict.fromkeys(("deis", "dpmsolver", "dpmsolver++")))
    s.choice("solver_type", dict.fromkeys(("logrho", "midpoint", "heun", "bh1", "bh2")))
    order, levels = _order(s), levels_of_intervals(s, steps, final="sigma_min")
    lower = order - 1 if s.get("lower_order_final", bool) and steps < FEW else 0
    sampler = DEIS(order, polynomial="log_rho", lower_order_final=_kept(s, levels, lower))
    return Plan(sampler, clip_of(s), levels)


def _uni_pc(s: Settings, steps: int) -> Plan:
    _refuse_others(s)
    predicts = s.choice("predict_x0", {True: "data", False: "noise"})
    s.choice("solver_p", {None: None})
    kinds = {"bh1": "bh1", **dict.fromkeys(("bh2", "midpoint", "heun", "logrho"), "bh2")}
    order, levels = _order(s), levels_of_intervals(s, steps)
    if predicts == "noise" and levels.ratios[-1] == 0:
        s.fail("predict_x0", 'false is not supported with final_sigmas_type "zero", where it gives no numbers')
    kept = tuple(i for i in s.list_of("disable_corrector", int, LONGEST_TABLE) if 0 <= i < steps)
    if levels.ends_twice and steps > 1 and steps - 2 not in kept:
        s.fail("final_sigmas_type", "a last step from a level to itself, which only corrects, is not supported")
    lower = order if s.get("lower_order_final", bool) else 0
    words: dict[str, Any] = {"lower_order_final": _kept(s, levels, lower), "predicts": predicts, "uncorrected": kept}
    sampler = UniPC(order, s.choice("solver_type", kinds), **words)
    return Plan(sampler, clip_of(s) if predicts == "data" else None, levels)


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


def _refuse_others(s: Settings) -> None:
    s.choice("use_dynamic_shifting", {False: None, None: None})  # by the size of the image, which no file knows
    s.choice("variance_type", {None: None, "fixed_small": None, "fixed_large": None, LEARNED: None})


def _flow(s: Settings, steps: int) -> Plan:
    """Esser et al. 2024: equal steps of sigma, shifted; their smallest sigma has been shifted before."""
    for name in ("use_dynamic_shifting", "invert_sigmas"):
        s.choice(name, {False: None, None: None})
    s.choice("num_train_timesteps", {1000: None})
    shift = float(s.get("shift", NUMBER))

    def shifted(sigma: Any) -> Any:
        return shift * sigma / (1 + (shift - 1) * sigma)

    sigmas = shifted(np.linspace(1, shifted(1 / 1000), steps))
    last, curve = s.get("shift_terminal", (*NUMBER, NOTHING)), curve_of(s)
    if last:
        sigmas = 1 - (1 - sigmas) * (1 - last) / (1 - sigmas[-1])
    if curve is not None:
        sigmas = curve(sigmas[-1], sigmas[0], steps)
    sampler = Renoise() if s.get("stochastic_sampling", bool) else Euler()
    return Plan(Heun(form="time") if s.get("_class_name", str) == FLOW_HEUN else sampler, None, np.append(sigmas, 0))


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
    FLOW_HEUN: _flow,
}
