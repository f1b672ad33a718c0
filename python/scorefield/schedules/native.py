"""Schedules that the core knows by itself."""

from abc import abstractmethod
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy.typing as npt

from scorefield._arrays import integer, number
from scorefield.schedules.base import Schedule
from scorefield.schedules.level import Real

MOST_STEPS = 1_000_000  # of a discrete schedule


def settle(schedule: Schedule, **values: Any) -> None:
    """Put checked values into a frozen dataclass, once, while it is made."""
    for name, value in values.items():
        object.__setattr__(schedule, name, value)


class NativeSchedule(Schedule):
    """A schedule that the core knows by itself: its numbers are closed forms."""

    _least_steps: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check every setting: T is a whole number, the others are numbers."""
        settle(self, **{one.name: self._setting(one.name) for one in fields(cast(Any, self))})
        self._check()

    def _setting(self, name: str) -> float:
        value = getattr(self, name)
        return integer(value, "T", self._least_steps, MOST_STEPS) if name == "T" else number(value, name)

    def _check(self) -> None:
        self._core  # noqa: B018 - the core checks the ranges
        self._warn()

    def _warn(self) -> None:
        """Give a ScheduleWarning for settings that are possible, but seldom meant."""

    @abstractmethod
    def _make(self) -> Any:
        """Make the core's object; checks the ranges."""

    @cached_property
    def _core(self) -> Any:
        return self._make()

    def alpha(self, t: npt.ArrayLike) -> Real:
        """Scale of the signal at t, float64 like t (1)."""
        return self._map("alpha", t)

    def sigma(self, t: npt.ArrayLike) -> Real:
        """Deviation of the noise at t, float64 like t (1)."""
        return self._map("sigma", t)
