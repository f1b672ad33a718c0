"""Which settings each scheduler class of diffusers reads, and their defaults.

A scheduler_config.json may hold keys of other classes, left over from a conversion; a class does not see them.
"""

from __future__ import annotations

from typing import Any

Words = dict[str, Any]

BETAS: Words = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
BETAS |= {"trained_betas": None, "prediction_type": "epsilon"}
LATENT: Words = {**BETAS, "beta_start": 0.00085, "beta_end": 0.012}  # of those written for Stable Diffusion
ZERO_SNR: Words = {"rescale_betas_zero_snr": False}
LEADING: Words = {"timestep_spacing": "leading", "steps_offset": 0}
LINSPACE: Words = {"timestep_spacing": "linspace", "steps_offset": 0}
THRESHOLD: Words = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
CLIP: Words = {"clip_sample": True, "clip_sample_range": 1.0}
CURVES: Words = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
ENDS: Words = {"sigma_min": None, "sigma_max": None}
FINAL: Words = {"final_sigmas_type": "zero"}
CUT: Words = {"lambda_min_clipped": -float("inf")}
FLOWS: Words = {"use_flow_sigmas": False, "flow_shift": 1.0, "use_dynamic_shifting": False}
SOLVER: Words = {**CURVES, **THRESHOLD, **FLOWS, "solver_order": 2, "lower_order_final": True}
FLOW_MATCHING: Words = {"num_train_timesteps": 1000, "prediction_type": "flow_prediction", "shift": 1.0}
FLOW_HABITS: Words = {"use_dynamic_shifting": False, "invert_sigmas": False, "stochastic_sampling": False}
FLOW_HABITS |= {"shift_terminal": None}
DPM: Words = {
    **SOLVER,
    **FINAL,
    **CUT,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "variance_type": None,
}

#: What a class that does not read a setting behaves like.
NEUTRAL: Words = {**BETAS, **ZERO_SNR, **LINSPACE, **THRESHOLD, **CURVES, **ENDS, **FINAL, **CUT, **FLOWS}
NEUTRAL |= {"clip_sample": False, "clip_sample_range": 1.0, "use_lu_lambdas": False, "variance_type": None}
NEUTRAL |= {**FLOW_HABITS, "interpolation_type": "linear"}

FLOW = "FlowMatchEulerDiscreteScheduler"
FLOW_HEUN = "FlowMatchHeunDiscreteScheduler"
CLASSES: dict[str, Words] = {
    "DDPMScheduler": {**BETAS, **ZERO_SNR, **LEADING, **CLIP, **THRESHOLD, "variance_type": "fixed_small"},
    "DDIMScheduler": {**BETAS, **ZERO_SNR, **LEADING, **CLIP, **THRESHOLD, "set_alpha_to_one": True},
    "PNDMScheduler": {**BETAS, **LEADING, "set_alpha_to_one": False, "skip_prk_steps": False},
    "LMSDiscreteScheduler": {**BETAS, **LINSPACE, **CURVES, **ENDS},
    "EulerDiscreteScheduler": {
        **BETAS,
        **ZERO_SNR,
        **LINSPACE,
        **CURVES,
        **ENDS,
        **FINAL,
        "interpolation_type": "linear",
        "timestep_type": "discrete",
    },
    "EulerAncestralDiscreteScheduler": {**BETAS, **ZERO_SNR, **LINSPACE},
    "HeunDiscreteScheduler": {**LATENT, **LINSPACE, **CURVES, **ENDS, **CLIP, "clip_sample": False},
    "KDPM2DiscreteScheduler": {**LATENT, **LINSPACE, **CURVES, **ENDS},
    "KDPM2AncestralDiscreteScheduler": {**LATENT, **LINSPACE, **CURVES, **ENDS},
    "DPMSolverMultistepScheduler": {
        **BETAS,
        **ZERO_SNR,
        **LINSPACE,
        **DPM,
        **ENDS,
        "euler_at_final": False,
        "use_lu_lambdas": False,
    },
    "DPMSolverSinglestepScheduler": {**BETAS, **DPM, **ENDS, "lower_order_final": False},
    "DEISMultistepScheduler": {
        **BETAS,
        **LINSPACE,
        **SOLVER,
        **ENDS,
        "algorithm_type": "deis",
        "solver_type": "logrho",
    },
    "UniPCMultistepScheduler": {
        **BETAS,
        **ZERO_SNR,
        **LINSPACE,
        **SOLVER,
        **ENDS,
        **FINAL,
        "predict_x0": True,
        "solver_type": "bh2",
        "solver_p": None,
        "disable_corrector": [],
    },
    FLOW: {**FLOW_MATCHING, **FLOW_HABITS, **CURVES},
    FLOW_HEUN: FLOW_MATCHING,
}
