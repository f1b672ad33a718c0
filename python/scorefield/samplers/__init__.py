"""Samplers: one formula each for the step from x_t to x_s. The loop is the core's; a sampler keeps nothing of a run.

A sampler is asked for by object (``sf.samplers.DPMSolverPP(order=3)``) or by name (``"dpm_solver_pp"``).
One of your own extends `Sampler`.
"""

from collections.abc import Callable

from scorefield._names import resolve
from scorefield.samplers.ancestral import DDIM, Ancestral, Euler, EulerAncestral, Renoise
from scorefield.samplers.base import Sampler, Step
from scorefield.samplers.exponential import DPMSolver, DPMSolverPP
from scorefield.samplers.multistep import DEIS, LMS, PNDM, UniPC
from scorefield.samplers.singlestep import DPM2, Heun

__all__ = [
    "DDIM",
    "DEIS",
    "DPM2",
    "LMS",
    "PNDM",
    "Ancestral",
    "DPMSolver",
    "DPMSolverPP",
    "Euler",
    "EulerAncestral",
    "Heun",
    "Renoise",
    "Sampler",
    "Step",
    "UniPC",
]

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "Ancestral": Ancestral,
    "DDIM": DDIM,
    "DEIS": DEIS,
    "DPM2": DPM2,
    "DPMSolver": DPMSolver,
    "DPMSolverPP": DPMSolverPP,
    "Euler": Euler,
    "EulerAncestral": EulerAncestral,
    "Heun": Heun,
    "LMS": LMS,
    "PNDM": PNDM,
    "Renoise": Renoise,
    "UniPC": UniPC,
}


def resolve_sampler(sampler: object) -> Sampler:
    """Give the Sampler that an object or a name stands for."""
    return resolve(sampler, "sampler", Sampler, SAMPLERS)
