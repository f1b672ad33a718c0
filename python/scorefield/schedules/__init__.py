"""Noise schedules. Discrete: Linear, ScaledLinear, Cosine, Sigmoid, Table, Geometric; continuous: VP, SubVP, VE,
RectifiedFlow, EDM; and Single.

A schedule is t -> (alpha_t, sigma_t) in float64, with x_t = alpha_t x0 + sigma_t eps. All are frozen, hashable,
comparable and picklable, and their `repr` is the constructor call.
"""

from typing import Any

from scorefield._names import resolve
from scorefield.schedules.base import Schedule
from scorefield.schedules.betas import Cosine, Linear, ScaledLinear, Sigmoid
from scorefield.schedules.continuous import EDM, VE, VP, RectifiedFlow, SubVP
from scorefield.schedules.diagnosis import Diagnosis
from scorefield.schedules.discrete import Geometric, Table
from scorefield.schedules.level import Level
from scorefield.schedules.single import Single

__all__ = [
    "EDM",
    "VE",
    "VP",
    "Cosine",
    "Diagnosis",
    "Geometric",
    "Level",
    "Linear",
    "RectifiedFlow",
    "ScaledLinear",
    "Schedule",
    "Sigmoid",
    "Single",
    "SubVP",
    "Table",
]

SCHEDULES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (Linear, ScaledLinear, Cosine, Sigmoid, Table, Geometric, VP, SubVP, VE, RectifiedFlow, EDM, Single)
}


def resolve_schedule(schedule: object) -> Schedule:
    """Give the Schedule that an object, or a name with default settings, stands for."""
    known: Any = Schedule  # an abstract class stands for its subclasses
    found: Schedule = resolve(schedule, "schedule", known, SCHEDULES)
    return found
