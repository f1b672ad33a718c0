"""Where a scheduler of diffusers stops: the noise levels between which it steps, and what it tells the network there.

Facts about its classes: some place S of their timesteps, others S + 1 and leave out the last; levels between timesteps
are linear in sigma / alpha; times for levels of Karras are found on a line in log(sigma / alpha), and classes that
know whole times only round or truncate them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield import _core
from scorefield.diffusers.settings import NOTHING, NUMBER, Settings
from scorefield.diffusers.tables import sigma_ratios

Array = NDArray[Any]
RHO = 7.0  # Karras et al. 2022
LAST_SIGNAL = 1e-6  # what UniPC on a flow leaves of alpha where it begins
ALMOST = 1e-3  # a time that misses a whole one by rounding is that; theirs is then one less on some machines
SPACINGS = ("linspace", "leading", "trailing")


@dataclass(frozen=True)
class Levels:
    """The stops of a run.

    ratios : (S + 1,) sigma / alpha, falling; the last may be 0.   told : (S,) their timestep at each but the last.
    placed : whether the ratios are those of whole timesteps.
    between : (2, k) further ratios at which the network is asked, and what it is told there.
    flow : the process is a rectified flow, whose timestep k is t = k / 1000.
    """

    ratios: Array
    told: Array
    placed: bool
    between: Array = field(default_factory=lambda: np.empty((2, 0)))
    flow: bool = False

    @property
    def ends_twice(self) -> bool:
        """Whether the last step leads from a level to itself, a bool: it changes nothing."""
        return bool(self.ratios[-1] > 0.999999 * self.ratios[-2])


def timesteps(s: Settings, steps: int, *, more: int = 0, whole: bool = True, last: int | None = None) -> Array:
    """Return (steps,) falling timesteps by the spacing of the settings.

    more : points that are placed, but left out at the low end.   whole : linspace is rounded.   last : of them used.
    """
    T = s.get("num_train_timesteps", int)
    last = T if last is None else last
    spacing = s.choice("timestep_spacing", {name: name for name in SPACINGS})
    offset = s.get("steps_offset", int)
    count = steps + more
    if spacing == "linspace":
        times = np.linspace(0, last - 1, count)
        times = (times.round() if whole else times.astype(np.float32).astype(float))[::-1]
    elif spacing == "leading":
        times = np.arange(count)[::-1] * (last // count) + float(offset)
    else:
        return np.arange(last, 0, -T / steps).round() - 1
    return times[:steps] if more else times


def levels_of_points(s: Settings, steps: int, *, rounded: bool = False, half_way: bool = False) -> Levels:
    """Return the stops of the classes that place S timesteps: Euler, Heun, LMS, KDPM2.

    rounded : times of Karras levels are.   half_way : the network is asked there too, in log(sigma / alpha).
    """
    table = sigma_ratios(s).astype(float)
    told = timesteps(s, steps, whole=False)
    ratios, placed = np.interp(told, np.arange(len(table)), table), bool((told == told.round()).all())
    curve, end = curve_of(s), _final(s, table)
    whole = s.choice("interpolation_type", {"linear": False, "log_linear": True})
    low, high = (table[0], table[-1]) if whole else (ratios[-1], ratios[0])
    if whole and curve is None:
        even = _exponential(low, high, steps + 1)  # of which the last is where it ends
        ratios, end, placed = even[:-1], low, False
    if curve is not None:
        ratios = curve(*_ends(s, low, high), steps)
        told, placed = _times_of(ratios, sigma_ratios(s)), False
        told = told.round() if rounded and curve is _karras else told
    halves = np.sqrt(ratios[1:] * ratios[:-1]) if half_way else np.empty(0)
    between = np.stack([halves, _times_of(halves, sigma_ratios(s))])
    return Levels(np.append(ratios, end), told, placed and not half_way, between)


def levels_of_intervals(s: Settings, steps: int, *, final: str = "zero") -> Levels:
    """Return the stops of the classes that place S + 1 timesteps: DPMSolver, DEIS, UniPC.

    final : where a class ends whose settings do not say it.
    """
    if s.get("use_flow_sigmas", (bool, NOTHING)):
        return _levels_of_flow(s, steps, final=final)
    table = sigma_ratios(s)
    clipped = int(np.searchsorted(-np.log(table[::-1]), s.get("lambda_min_clipped", NUMBER)))
    told = timesteps(s, steps, more=1, last=len(table) - clipped)
    curve = curve_of(s)
    if curve is None:
        ratios, placed = np.interp(told, np.arange(len(table)), table.astype(float)), True
    else:
        ratios, placed = curve(*_ends(s, float(table[0]), float(table[-1])), steps), False
        told = _times_of(ratios, table)
        told = told.round() if _rounds(s) else np.trunc(told + ALMOST)
    return Levels(np.append(ratios, _final(s, table.astype(float), final)), told, placed)


def _levels_of_flow(s: Settings, steps: int, *, final: str) -> Levels:
    """Return equal steps of sigma, shifted, of a flow: all but one class begin a step below 1, which has no log-SNR."""
    if curve_of(s) is not None:
        s.fail("use_flow_sigmas", "true is not supported together with levels of another curve")
    T, shift = s.get("num_train_timesteps", int), float(s.get("flow_shift", NUMBER))
    first = s.get("_class_name", str) == "UniPCMultistepScheduler"
    even = np.linspace(1, 1 / T, steps + 1)
    even = even[:-1] if first else (1 - even)[:0:-1]
    sigmas = shift * even / (1 + (shift - 1) * even)
    if first and sigmas[0] > 1 - LAST_SIGNAL:
        sigmas[0] -= LAST_SIGNAL
    end = s.choice("final_sigmas_type", {"zero": [] if final == "zero" else sigmas[-1:]})
    ends = np.append(sigmas, end if len(end) else 0.0).astype(np.float32).astype(float)
    return Levels(ends / (1 - ends), np.trunc(sigmas * T), False, flow=True)


def _rounds(s: Settings) -> bool:
    """Whether times of curved levels are rounded; else they are truncated."""
    name = s.get("_class_name", str)
    cosine = name == "DPMSolverMultistepScheduler" and s.get("beta_schedule", str) == "squaredcos_cap_v2"
    curved = s.get("use_karras_sigmas", (bool, NOTHING)) or s.get("use_lu_lambdas", (bool, NOTHING))
    return bool(curved) and not cosine


def _final(s: Settings, table: Array, default: str = "zero") -> float:
    kind = s.choice("final_sigmas_type", {"zero": default, "sigma_min": "sigma_min"})
    return 0.0 if kind == "zero" else float(table[0])


def _ends(s: Settings, low: float, high: float) -> tuple[float, float]:
    given = [s.get(name, (*NUMBER, NOTHING)) for name in ("sigma_min", "sigma_max")]
    return tuple(float(own if one is None else one) for one, own in zip(given, (low, high), strict=True))  # type: ignore[return-value]


def curve_of(s: Settings) -> Any:
    """Return the function (low, high, steps) -> ratios that the settings ask for; None: levels of the timesteps."""
    if s.get("use_beta_sigmas", (bool, NOTHING)):
        return _beta
    if s.get("use_karras_sigmas", (bool, NOTHING)):
        return _karras
    if s.get("use_lu_lambdas", (bool, NOTHING)) or s.get("use_exponential_sigmas", (bool, NOTHING)):
        return _exponential
    return None


def _karras(low: float, high: float, steps: int) -> Array:
    a, b = high ** (1 / RHO), low ** (1 / RHO)
    ratios: Array = (a + np.linspace(0, 1, steps) * (b - a)) ** RHO
    return ratios


def _exponential(low: float, high: float, steps: int) -> Array:
    return np.exp(np.linspace(np.log(high), np.log(low), steps))


def _beta(low: float, high: float, steps: int) -> Array:
    """Lee et al. 2024, quantiles of Beta(0.6, 0.6) over sigma / alpha."""
    shares = [_core.grids.beta_quantile(0.6, 0.6, float(p)) for p in 1 - np.linspace(0, 1, steps)]
    return low + np.asarray(shares) * (high - low)


def _times_of(ratios: Array, table: Array) -> Array:
    """Return the timesteps of levels, on lines in log(sigma / alpha) between those of the table."""
    return np.interp(np.log(np.maximum(ratios, 1e-10)), np.log(table).astype(float), np.arange(len(table)))
