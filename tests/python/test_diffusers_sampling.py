"""A scheduler's settings as keywords for `sample`: the same numbers, beside diffusers' own loop where installed."""

import inspect

import numpy as np
import pytest
from diffusers_cases import SHAPE, SmoothNetwork, ours, write_scheduler

import scorefield as sf

BY_LEVELS = ("EulerDiscrete", "EulerAncestral", "LMS", "Heun", "KDPM2")  # these keep x_t / alpha_t
V = {"prediction_type": "v_prediction"}
COSINE = {"beta_schedule": "squaredcos_cap_v2", **V}
POINTS = [
    {},
    {"timestep_spacing": "leading", "steps_offset": 1},
    {"timestep_spacing": "trailing"},
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    COSINE,
]
INTERVALS = [
    {},
    {"solver_order": 1},
    {"solver_order": 3},
    {"timestep_spacing": "leading", "steps_offset": 1},
    {"timestep_spacing": "trailing", "beta_schedule": "scaled_linear", **V},
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True, "prediction_type": "sample"},
]
LOWER = {"lower_order_final": True}
TO_SIGMA_MIN = {"final_sigmas_type": "sigma_min"}
TURNS = [
    {"solver_order": 1},
    {"solver_order": 2},
    {"solver_order": 2, "solver_type": "heun", **TO_SIGMA_MIN},
    {"solver_order": 2, **LOWER, **TO_SIGMA_MIN},
    {"solver_order": 3},
    {"solver_order": 3, **LOWER, **TO_SIGMA_MIN},
    {"solver_order": 3, "algorithm_type": "dpmsolver", **TO_SIGMA_MIN},
    {"solver_order": 2, "algorithm_type": "dpmsolver", "solver_type": "heun", **TO_SIGMA_MIN},
]
PARABOLA = {"solver_order": 3, "solver_type": "heun", **TO_SIGMA_MIN}
ALL_TURNS = [
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True},
    {"beta_schedule": "scaled_linear", **V},
    {"prediction_type": "sample", "solver_type": "heun"},
]
CORRECTORS = [
    {"disable_corrector": [0]},
    {"disable_corrector": [0, 1, 5], "solver_type": "bh1"},
    {"disable_corrector": list(range(100)), "solver_order": 3},
    {"predict_x0": False},
    {"predict_x0": False, "solver_type": "bh1", "solver_order": 3},
    {"predict_x0": False, "solver_order": 1, "lower_order_final": False},
    {"predict_x0": False, "disable_corrector": [1, 2], **V},
    {"predict_x0": False, "prediction_type": "sample", "thresholding": True},
    {"disable_corrector": [18], "use_karras_sigmas": True, "solver_order": 1},
]
FLOWS = [
    {"flow_shift": 1.0},
    {"flow_shift": 3.0},
    {"solver_order": 1},
    {"solver_order": 3, "flow_shift": 2.5},
]
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
FLOW_SOLVERS = ("DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep")
SHIFTED = [
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True},
    {"use_beta_sigmas": True},
    {"shift_terminal": 0.1},
]
PNDM = [{}, {"set_alpha_to_one": True}, {"steps_offset": 1}]
CASES = [
    *(("EulerDiscreteScheduler", options, 20) for options in POINTS),
    ("EulerDiscreteScheduler", {"final_sigmas_type": "sigma_min"}, 10),
    ("EulerDiscreteScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", **V}, 10),
    *(("HeunDiscreteScheduler", options, 20) for options in POINTS[:-1]),  # from sigma = 2e4 float32 has no digits
    ("HeunDiscreteScheduler", {"timestep_spacing": "leading", **COSINE}, 20),
    ("HeunDiscreteScheduler", {"clip_sample": True, "clip_sample_range": 0.5}, 10),
    ("DDIMScheduler", {}, 20),
    ("DDIMScheduler", {"clip_sample": False}, 20),
    ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}, 20),
    ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}, 20),
    ("DDIMScheduler", {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, **V}, 20),
    ("DDIMScheduler", {"thresholding": True}, 7),
    ("DDIMScheduler", {"clip_sample_range": 0.5, **V}, 50),
    ("DDIMScheduler", {"trained_betas": (np.linspace(1e-4, 0.02, 1000) ** 1.1).tolist()}, 50),
    *(("LMSDiscreteScheduler", options, 20) for options in POINTS[:-1]),
    *(("KDPM2DiscreteScheduler", options, 20) for options in POINTS[:-1]),
    ("EulerDiscreteScheduler", {"use_beta_sigmas": True}, 10),
    *(("PNDMScheduler", {"skip_prk_steps": True, **options}, steps) for options in PNDM for steps in (10, 50)),
    *(("PNDMScheduler", options, steps) for options in PNDM for steps in (10, 50)),
    *(("DPMSolverMultistepScheduler", options, steps) for options in INTERVALS for steps in (8, 20)),
    ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}, 20),
    ("DPMSolverMultistepScheduler", {"solver_type": "heun"}, 20),
    ("DPMSolverMultistepScheduler", {"euler_at_final": True, "final_sigmas_type": "sigma_min"}, 20),
    ("DPMSolverMultistepScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", **V}, 20),
    ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -5.1, **COSINE}, 20),
    ("DPMSolverMultistepScheduler", {"thresholding": True, "sample_max_value": 1.5}, 20),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}, 20),
    *(("DPMSolverSinglestepScheduler", options, steps) for options in TURNS for steps in (1, 7, 8, 20, 21)),
    *(("DPMSolverSinglestepScheduler", PARABOLA, steps) for steps in (1, 7, 10, 20, 22)),
    *(("DPMSolverSinglestepScheduler", {"solver_order": 3, **options}, 12) for options in ALL_TURNS),
    ("DPMSolverSinglestepScheduler", {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min", **LOWER}, 20),
    ("DPMSolverSinglestepScheduler", {"thresholding": True, "sample_max_value": 1.5}, 20),
    ("DPMSolverSinglestepScheduler", {"lambda_min_clipped": -5.1, **COSINE}, 20),
    *(("DEISMultistepScheduler", options, steps) for options in INTERVALS for steps in (8, 20)),
    *(("UniPCMultistepScheduler", options, steps) for options in INTERVALS for steps in (8, 20)),
    ("UniPCMultistepScheduler", {"solver_type": "bh1", "final_sigmas_type": "sigma_min"}, 20),
    ("UniPCMultistepScheduler", {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", **V}, 20),
    ("UniPCMultistepScheduler", {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, 20),
    *(("UniPCMultistepScheduler", {**options, **TO_SIGMA_MIN}, 20) for options in CORRECTORS),
    *(
        (f"{name}Scheduler", {**FLOW, **options}, steps)
        for name in FLOW_SOLVERS
        for options in FLOWS
        for steps in (16, 20)
    ),
    *(("DPMSolverMultistepScheduler", {**FLOW, **options}, 8) for options in FLOWS),
    ("EulerDiscreteScheduler", {"interpolation_type": "log_linear"}, 20),
    ("EulerDiscreteScheduler", {"interpolation_type": "log_linear", "use_karras_sigmas": True}, 20),
    ("EulerDiscreteScheduler", {"timestep_type": "continuous"}, 20),
    *(("FlowMatchHeunDiscreteScheduler", options, 20) for options in ({}, {"shift": 3.0})),
    *(("FlowMatchEulerDiscreteScheduler", {"shift": 3.0, **options}, 20) for options in SHIFTED),
    ("FlowMatchEulerDiscreteScheduler", {}, 20),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 20),
]
# The last step extrapolates, by a weight that depends on its end, and their end has a rounding error of 1e-4
ROUNDED_END = [
    *(("DPMSolverSinglestepScheduler", PARABOLA, steps) for steps in (2, 3, 5, 6, 8, 9, 12, 15)),
    *(("DPMSolverSinglestepScheduler", {"solver_order": 3, **TO_SIGMA_MIN}, steps) for steps in (3, 6, 8, 9, 12)),
    *(("DPMSolverSinglestepScheduler", {"solver_order": 2, **TO_SIGMA_MIN}, steps) for steps in (2, 4, 6)),
    *(("DPMSolverSinglestepScheduler", {**PARABOLA, **COSINE}, steps) for steps in (6, 8, 9, 12)),
    ("DPMSolverSinglestepScheduler", {"solver_order": 2, "algorithm_type": "dpmsolver", **TO_SIGMA_MIN}, 6),
    *(("DPMSolverMultistepScheduler", {"solver_order": 3, **TO_SIGMA_MIN}, steps) for steps in (15, 20)),
    ("DPMSolverMultistepScheduler", {"solver_order": 3, **TO_SIGMA_MIN, **COSINE}, 15),
    ("UniPCMultistepScheduler", {"lower_order_final": False, **TO_SIGMA_MIN}, 4),
]
# Their coefficients lose digits near pure noise, as 1 - sigma, and where steps are many, as differences of integrals
ROUNDED_DEIS = [  # on flow levels not below 15 steps: it ends with lower orders there, and its last two levels are one
    *({**FLOW, **options, "steps": steps} for options in FLOWS for steps in (16, 20)),
    *({"solver_order": 3, "steps": steps} for steps in (21, 50, 100)),
    {"solver_order": 2, "steps": 100},
]


def label(value):
    return ", ".join(f"{k}={str(v)[:20]}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def scheduler_of(name, folder, steps):
    pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed, or without what it needs")
    scheduler = getattr(diffusers, name).from_pretrained(str(folder), subfolder="scheduler")
    scheduler.set_timesteps(steps)
    return scheduler


def theirs(scheduler, network, x_T):
    """The loop of diffusers' pipelines, in float64 where the class lets it."""
    import torch

    by_levels = type(scheduler).__name__.startswith(BY_LEVELS)
    sigmas = scheduler.sigmas.double().numpy() if by_levels else None
    x = torch.as_tensor(x_T * np.sqrt(sigmas[0] ** 2 + 1) if by_levels else x_T)
    for k in scheduler.timesteps:
        asked = scheduler.scale_model_input(x, k) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(torch.as_tensor(network(asked.numpy(), float(k))), k, x).prev_sample
    return x.numpy() / np.sqrt(sigmas[len(scheduler.timesteps)] ** 2 + 1) if by_levels else x.numpy()


def assert_same(folder, scheduler, steps, end=None):
    """To 1e-5, the digits of the float32 in which their schedulers keep noise levels and states."""
    x_T = np.random.default_rng(1).normal(size=(4, *SHAPE))
    asked, told = SmoothNetwork(), SmoothNetwork()
    expected = theirs(scheduler, asked, x_T)
    found = ours(folder, told, x_T, steps, end)
    assert np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    assert np.abs(np.array(told.asked) - asked.asked[: len(told.asked)]).max() <= 1e-3  # the network hears their times


WARNINGS_OF_THEIRS = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@WARNINGS_OF_THEIRS
@pytest.mark.parametrize(("name", "options", "steps"), CASES, ids=label)
def test_the_numbers_are_theirs(name, options, steps, tmp_path):
    folder = write_scheduler(tmp_path, {"_class_name": name, **options})
    assert_same(folder, scheduler_of(name, folder, steps), steps)


@WARNINGS_OF_THEIRS
@pytest.mark.parametrize(("name", "options", "steps"), ROUNDED_END, ids=label)
def test_they_differ_by_the_rounding_of_the_last_level_alone(name, options, steps, tmp_path):
    """The same numbers if they end at our last level, and if we end at theirs.

    Theirs comes from 1 - alpha_bar_1, in float32 a multiple of 2^-24: of 1e-4 up to 3e-4 are lost. beta_1 has them.
    """
    folder = write_scheduler(tmp_path, {"_class_name": name, **options})
    scheduler = scheduler_of(name, folder, steps)
    assert_same(folder, scheduler, steps, end=float(scheduler.sigmas[-1]))
    scheduler = scheduler_of(name, folder, steps)
    beta = scheduler.betas[0]
    scheduler.sigmas[-1] = (beta / (1 - beta)) ** 0.5
    assert_same(folder, scheduler, steps)


@WARNINGS_OF_THEIRS
@pytest.mark.parametrize("options", ROUNDED_DEIS, ids=label)
def test_deis_gives_the_numbers_of_their_formulas_in_float64(options, tmp_path):
    """Its levels are those of float32 still; what it does with them is done in float64."""
    steps, name = options["steps"], "DEISMultistepScheduler"
    folder = write_scheduler(tmp_path, {"_class_name": name, **{k: v for k, v in options.items() if k != "steps"}})
    scheduler = scheduler_of(name, folder, steps)
    scheduler.sigmas = scheduler.sigmas.double()
    assert_same(folder, scheduler, steps)


def test_levels_are_those_of_their_tables():
    """Found in float32 by the same roundings: the products agree to its last digits."""
    pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed, or without what it needs")
    from pathlib import Path

    from scorefield.diffusers.defaults import CLASSES
    from scorefield.diffusers.settings import Settings
    from scorefield.diffusers.tables import _alpha_bars

    name = "EulerDiscreteScheduler"
    for options in ({}, POINTS[5], COSINE, {"rescale_betas_zero_snr": True}):
        settings = Settings(Path("x"), options, CLASSES[name])
        expected = diffusers.EulerDiscreteScheduler(**options).alphas_cumprod.numpy()
        np.testing.assert_allclose(_alpha_bars(settings), expected, rtol=5e-7, atol=3e-7)


# ---- without diffusers


def keywords(tmp_path, options, **words):
    return sf.diffusers.sampling(write_scheduler(tmp_path, options), **words)


def test_simple_settings_give_named_grids(tmp_path):
    grids, samplers = sf.grids, sf.samplers
    ddpm = keywords(tmp_path, {"_class_name": "DDPMScheduler"})
    assert ddpm == {"sampler": samplers.Ancestral(), "clip": 1.0, "steps": 1000, "grid": grids.Leading()}
    large = keywords(tmp_path, {"_class_name": "DDPMScheduler", "variance_type": "fixed_large", "clip_sample": False})
    assert large == {"sampler": samplers.Ancestral("beta"), "steps": 1000, "grid": grids.Leading()}
    few = keywords(tmp_path, {"_class_name": "DDPMScheduler", "timestep_spacing": "trailing"}, steps=30)
    assert few == {"sampler": samplers.Ancestral(), "clip": 1.0, "steps": 30, "grid": grids.Trailing()}
    ddim = keywords(tmp_path, {"_class_name": "DDIMScheduler", "clip_sample_range": 2.0})
    assert ddim == {"sampler": samplers.DDIM(clip=2.0), "steps": 50, "grid": grids.Leading()}
    shifted = {"_class_name": "DDIMScheduler", "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False}
    assert keywords(tmp_path, shifted)["grid"] == grids.Leading(1, t_end=1.0)


def test_names_of_old_versions_are_known(tmp_path):
    old = {"_class_name": "GaussianDDPMScheduler", "timesteps": 500, "beta_schedule": "linear"}
    assert keywords(tmp_path, old)["steps"] == 500


def test_thresholding_is_taken_over(tmp_path):
    options = {"_class_name": "DDPMScheduler", "thresholding": True}
    assert keywords(tmp_path, options)["clip"] == 1.0  # their largest threshold is 1 unless set
    options |= {"sample_max_value": 1.5, "dynamic_thresholding_ratio": 0.9}
    assert keywords(tmp_path, options)["clip"] == sf.DynamicThreshold(0.9, largest=1.5)


REFUSED = [
    ({"_class_name": "KarrasVeScheduler"}, r"_class_name: 'KarrasVeScheduler' is not supported; supported: DDPM"),
    ({"_class_name": 3}, "_class_name: 3 is not supported"),
    ({"beta_schedule": "laplace"}, r"beta_schedule: 'laplace' is not supported; supported: \"linear\""),
    ({"prediction_type": "noise"}, r"prediction_type: 'noise' is not supported"),
    ({"num_train_timesteps": "many"}, r"num_train_timesteps: expected int, got 'many'"),
    ({"num_train_timesteps": 0}, r"num_train_timesteps: expected 1\.\.1000000, got 0"),
    ({"num_train_timesteps": True}, r"num_train_timesteps: expected int, got True"),
    ({"beta_start": 0.5, "beta_end": 0.1}, r"beta_schedule: "),
    ({"trained_betas": [0.1, "b"]}, r"trained_betas: expected a list of int or float, got the entry 'b'"),
    ({"trained_betas": []}, r"trained_betas: "),
    ({"variance_type": "learned"}, r"variance_type: 'learned' is not supported; supported: \"fixed_small\""),
    ({"timestep_spacing": "random"}, r"timestep_spacing: 'random' is not supported; supported: \"linspace\""),
    ({"_class_name": "DDIMScheduler", "timestep_spacing": "linspace"}, "timestep_spacing: 'linspace' with 50 steps"),
    ({"_class_name": "DDIMScheduler", "set_alpha_to_one": False}, "set_alpha_to_one: false, with clipping"),
    ({"_class_name": "DDIMScheduler", "thresholding": True, "sample_max_value": 2.0}, "sample_max_value: dynamic"),
    ({"_class_name": "PNDMScheduler", **V, "steps_offset": 1}, "prediction_type: 'v_prediction' is not supported"),
    ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver"}, "algorithm_type: 'sde-dpm"),
    ({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 4}, "solver_order: 4 is not supported"),
    ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, "prediction_type: 'epsilon' is not"),
    ({"_class_name": "DPMSolverMultistepScheduler", **FLOW, "use_karras_sigmas": True}, "use_flow_sigmas: true is not"),
    ({"_class_name": "DPMSolverMultistepScheduler", **FLOW, **TO_SIGMA_MIN}, "final_sigmas_type: 'sigma_min' is not"),
    ({"_class_name": "DPMSolverSinglestepScheduler", "algorithm_type": "sde-dpmsolver++"}, "algorithm_type: 'sde-dpm"),
    (
        {"_class_name": "DPMSolverSinglestepScheduler", "use_karras_sigmas": True, **TO_SIGMA_MIN},
        "a last step of higher",
    ),
    (
        {"_class_name": "UniPCMultistepScheduler", "predict_x0": False},
        'predict_x0: false is not .* "zero", where it gives',
    ),
    (
        {"_class_name": "UniPCMultistepScheduler", "disable_corrector": ["a"]},
        "disable_corrector: expected a list of int",
    ),
    (
        {"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": True, "solver_order": 1, **TO_SIGMA_MIN},
        "final_sigmas_type: a last step from a level to itself, which only corrects",
    ),
    ({"_class_name": "EulerDiscreteScheduler", "interpolation_type": "cubic"}, "interpolation_type: 'cubic' is not"),
    (
        {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous", **V},
        "timestep_type: 'continuous' is not",
    ),
    ({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}, "use_dynamic_shifting: True"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(message)[:40] for _, message in REFUSED])
def test_what_cannot_be_had_is_refused_by_its_name(options, message, tmp_path):
    with pytest.raises(sf.FormatError, match=message) as refusal:
        keywords(tmp_path, options)
    assert str(refusal.value).startswith(str(tmp_path / "scheduler" / "scheduler_config.json"))


def test_steps_and_folders_are_checked(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing says how to sample"):
        sf.diffusers.sampling(tmp_path)
    write_scheduler(tmp_path, {})
    with pytest.raises(ValueError, match=r"steps must be an integer in 1\.\.1000"):
        sf.diffusers.sampling(tmp_path, steps=1001)
    with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
        sf.diffusers.sampling("google/ddpm-cifar10-32")
    assert inspect.getdoc(sf.diffusers.sampling)
