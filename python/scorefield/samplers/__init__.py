"""Samplers: one formula each for the step from x_t to x_s. The loop is the core's; a sampler keeps nothing of a run.

A sampler is asked for by object (``sf.samplers.DPMSolverPP(order=3)``) or by name (``"dpm_solver_pp"``).
One of your own extends `Sampler`.
"""

from collections.abc import Callable

from scorefield._names import resolve
from scorefield.samplers.ancestral import DDIM, Ancestral, Euler, EulerAncestral, Renoise
from scorefield.samplers.base import Sampler, Step
from scorefield.samplers.langevin import AnnealedLangevin, Langevin
from scorefield.samplers.multistep import DPMSolverPP
from scorefield.samplers.singlestep import Heun
from scorefield.samplers.stochastic import EulerMaruyama, PredictorCorrector, Restart

__all__ = [
    "DDIM",
    "Ancestral",
    "AnnealedLangevin",
    "DPMSolverPP",
    "Euler",
    "EulerAncestral",
    "EulerMaruyama",
    "Heun",
    "Langevin",
    "PredictorCorrector",
    "Renoise",
    "Restart",
    "Sampler",
    "Step",
]

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "Ancestral": Ancestral,
    "AnnealedLangevin": AnnealedLangevin,
    "DDIM": DDIM,
    "DPMSolverPP": DPMSolverPP,
    "Euler": Euler,
    "EulerAncestral": EulerAncestral,
    "EulerMaruyama": EulerMaruyama,
    "Heun": Heun,
    "Langevin": Langevin,
    "PredictorCorrector": PredictorCorrector,
    "Renoise": Renoise,
    "Restart": Restart,
}


def resolve_sampler(sampler: object) -> Sampler:
    """Give the Sampler that an object or a name stands for."""
    return resolve(sampler, "sampler", Sampler, SAMPLERS)
