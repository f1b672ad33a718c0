"""Samplers: one formula each for the step from x_t to x_s. The loop is the core's; a sampler keeps nothing of a run.

A sampler is asked for by object (``sf.samplers.DPMSolverPP(order=3)``) or by name (``"dpm_solver_pp"``).
One of your own extends `Sampler`.
"""

from collections.abc import Callable
from typing import Any

from scorefield import _core
from scorefield._names import resolve
from scorefield.samplers.adaptive import ProbabilityFlow
from scorefield.samplers.ancestral import DDIM, Ancestral, Euler, EulerAncestral, Renoise
from scorefield.samplers.base import Sampler, Step
from scorefield.samplers.exponential import DPMSolver, DPMSolverPP
from scorefield.samplers.langevin import AnnealedLangevin, Langevin
from scorefield.samplers.multistep import DEIS, LMS, PNDM, UniPC
from scorefield.samplers.singlestep import DPM2, Heun
from scorefield.samplers.stochastic import EulerMaruyama, PredictorCorrector, Restart

__all__ = [
    "DDIM",
    "DEIS",
    "DPM2",
    "LMS",
    "PNDM",
    "Ancestral",
    "AnnealedLangevin",
    "DPMSolver",
    "DPMSolverPP",
    "Euler",
    "EulerAncestral",
    "EulerMaruyama",
    "Heun",
    "Langevin",
    "PredictorCorrector",
    "ProbabilityFlow",
    "Renoise",
    "Restart",
    "Sampler",
    "Step",
    "UniPC",
]

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "Ancestral": Ancestral,
    "AnnealedLangevin": AnnealedLangevin,
    "DDIM": DDIM,
    "DEIS": DEIS,
    "DPM2": DPM2,
    "DPMSolver": DPMSolver,
    "DPMSolverPP": DPMSolverPP,
    "Euler": Euler,
    "EulerAncestral": EulerAncestral,
    "EulerMaruyama": EulerMaruyama,
    "Heun": Heun,
    "LMS": LMS,
    "Langevin": Langevin,
    "PNDM": PNDM,
    "PredictorCorrector": PredictorCorrector,
    "ProbabilityFlow": ProbabilityFlow,
    "Renoise": Renoise,
    "Restart": Restart,
    "UniPC": UniPC,
}


def resolve_sampler(sampler: object) -> Sampler:
    """Give the Sampler that an object or a name stands for."""
    return resolve(sampler, "sampler", Sampler, SAMPLERS)


def inversion(sampler: Sampler) -> tuple[Any, int]:
    """Give the core's sampler for the way from data to noise, and its default number of steps; ValueError if none."""
    if isinstance(sampler, ProbabilityFlow):
        return sampler._core(), 1
    if sampler == DDIM():
        return _core.DdimInversion(), 50
    raise ValueError(f"{sampler!r} has no way upwards; inversion takes 'ddim' (eta = 0) or 'probability_flow'")
