"""What every noise schedule can do: the base class `Schedule`.

Equation numbers are those of theory.md: (1) the marginal, (2) signal-to-noise ratio, (5) the Markov chain, (6)(7) the
posterior, (21) drift and diffusion.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import Array, check_shape, integer, number, real_array, seed_number
from scorefield.schedules.diagnosis import Diagnosis, diagnose
from scorefield.schedules.level import Level, Real
from scorefield.trajectory import Trajectory

FORWARD = 15  # Stream::forward of base/rng.hpp
USUAL_STEPS = 50  # of a grid of which only the name is said, as in `sample`


class Schedule(ABC):
    """t -> (alpha_t, sigma_t): how much signal and how much noise x_t = alpha_t x0 + sigma_t eps holds (1).

    t = 0 is the data (alpha 1, sigma 0), t_max is noise. A subclass gives ``alpha(t)`` and ``sigma(t)`` for floats
    and float64 arrays, ``t_min`` and ``t_max``, and if it is discrete ``T``; drift, diffusion and inverse come by
    differences and bisection. alpha / sigma must fall strictly. `scorefield.testing.check_schedule` tests the laws.
    Make it a frozen dataclass if it has settings: schedules are constants.

    >>> class Straight(Schedule):
    ...     t_min, t_max = 1e-3, 1.0
    ...     def alpha(self, t): return 1 - t
    ...     def sigma(self, t): return 1 * t
    >>> round(Straight().time_of(log_snr=0.0), 12)
    0.5
    """

    sigma_data: float = 1.0

    if TYPE_CHECKING:

        @property
        def T(self) -> int | None: ...  # noqa: D102, N802
        @property
        def t_min(self) -> float: ...  # noqa: D102
        @property
        def t_max(self) -> float: ...  # noqa: D102
    else:
        T = None

    @abstractmethod
    def alpha(self, t: Any) -> Any:
        """Scale of the signal, float64 like t, in [0, 1]."""

    @abstractmethod
    def sigma(self, t: Any) -> Any:
        """Deviation of the noise, float64 like t, >= 0."""

    def alpha_bar(self, t: npt.ArrayLike) -> Real:
        """alpha_t^2, like t: of a discrete VP schedule the product of 1 - beta up to t (4)."""
        return self._map("alpha_bar", t)

    def beta(self, t: npt.ArrayLike) -> Real:
        """Discrete: the variance of x_t given x_{t-1} (3), like t. Continuous: -2 f, dx = -beta x / 2 dt + g dw."""
        return self._map("beta", t)

    def snr(self, t: npt.ArrayLike) -> Real:
        """Signal-to-noise ratio alpha^2 / sigma^2 (2), like t; infinite at t = 0."""
        return self._map("snr", t)

    def log_snr(self, t: npt.ArrayLike) -> Real:
        """log(alpha^2 / sigma^2) (2), like t; infinite at t = 0."""
        return self._map("log_snr", t)

    def half_log_snr(self, t: npt.ArrayLike) -> Real:
        """log(alpha / sigma), like t: what the DPM-Solver papers call lambda."""
        return self._map("half_log_snr", t)

    def f(self, t: npt.ArrayLike) -> Real:
        """Drift of dx = f x dt + g dw: d log alpha / dt (21), like t."""
        return self._map("f", t)

    def g2(self, t: npt.ArrayLike) -> Real:
        """Squared diffusion g^2 = d sigma^2 / dt - 2 f sigma^2 (21), like t."""
        return self._map("g2", t)

    def at(self, t: npt.ArrayLike) -> Level:
        """Give the `Level` at t: all of the above together, each like t. ValueError outside 0..t_max."""
        times = self._times(t)
        plain: Real = times if times.ndim else float(times)
        alpha, sigma = self._map("alpha", times), self._map("sigma", times)
        return Level(plain, alpha, sigma, self.beta(times), self.f(times), self.g2(times))

    def time_of(self, *, log_snr: npt.ArrayLike) -> Real:
        """Give the time at which log(alpha^2 / sigma^2) has this value, like log_snr.

        ValueError if the schedule ends before it has fallen so far. +inf is t = 0.
        """
        values = real_array(log_snr, "log_snr", dtype=np.float64, finite=False)
        return _plain(self._core.time_of_half_log_snr(values / 2 if values.ndim else np.asarray(values / 2)))

    def add_noise(
        self, x0: npt.ArrayLike, t: npt.ArrayLike, eps: npt.ArrayLike | None = None, *, seed: int | None = 0
    ) -> Array:
        """Draw x_t from q(x_t | x0): alpha_t x0 + sigma_t eps (1).

        x0 : (n, *shape).   t : one time, or (n,).   eps : like x0; None draws it from `seed`, the same for every t.
        Returns x_t like x0, float64 if x0 or eps is, else float32.
        """
        if eps is None:
            (x0,) = _alike(x0=x0)
            eps = _normal(x0, seed)
        else:
            x0, eps = _alike(x0=x0, eps=eps)
        x_t: Array = _core.add_noise(self._core, x0, self._row_times(t, len(x0)), eps)
        return x_t

    def forward(self, x0: npt.ArrayLike, times: npt.ArrayLike, *, seed: int | None = 0) -> Trajectory:
        """Run the Markov chain q(x_t | x_s) (5) from x0 through rising times, with fresh noise in every step.

        x0 : (n, *shape).   times : (k,), rising within 0..t_max.
        Returns a `Trajectory` with t (k,) and x (k, n, *shape); each x[i] has the marginal distribution of `add_noise`.
        """
        (x0,) = _alike(x0=x0)
        grid = self._times(times, "times")
        check_shape(grid.shape, "times", ("k",))
        if len(grid) == 0:
            raise ValueError("times is empty; give at least one time, the first may be 0")
        return Trajectory(grid.copy(), _core.forward(self._core, x0, grid, seed_number(seed)))

    def posterior(
        self, x_t: npt.ArrayLike, x0: npt.ArrayLike, t: npt.ArrayLike, s: npt.ArrayLike
    ) -> tuple[Array, Real]:
        """Mean and variance of q(x_s | x_t, x0) (6)(7) for s < t, of which s = t - 1 is one step of DDPM.

        x_t, x0 : (n, *shape).   t, s : one time each, or (n,).
        Returns (mean like x_t, variance: a float, or (n,) if t or s is).
        """
        x_t, x0 = _alike(x_t=x_t, x0=x0)
        later, earlier = np.broadcast_arrays(self._row_times(t, len(x_t)), self._row_times(s, len(x_t), "s"))
        mean, variance = _core.posterior(
            self._core, x_t, x0, np.ascontiguousarray(later), np.ascontiguousarray(earlier)
        )
        return mean, variance if np.ndim(t) or np.ndim(s) else float(variance[0])

    def zero_terminal_snr(self) -> "Schedule":
        """Give the schedule whose sqrt(alpha_bar) is shifted and scaled to end at 0 (Lin et al. 2023, algorithm 1).

        The first alpha_bar stays. Train v or x0 on it: eps says nothing where alpha = 0. ValueError for other kinds.
        """
        raise ValueError(
            f"{self} has no rescaling to zero terminal SNR, which is defined for discrete VP schedules (Linear, "
            "ScaledLinear, Cosine, Sigmoid, Table of betas or alpha_bars); RectifiedFlow ends at alpha = 0 by itself"
        )

    def diagnose(self, grid: Any = None, steps: int | None = None) -> Diagnosis:
        """Look for what goes wrong most often, give a `Diagnosis`; print it.

        Of the schedule: data left at t_max, a gain that ruins eps, many clipped steps. Of a time grid on it: a start
        that is no pure noise, a step that does nearly everything, noise left at the end.
        grid, steps : as in `sample`; without both no grid is looked at. steps alone: of the default grid.

        >>> from scorefield.schedules import EDM
        >>> EDM().diagnose("linspace", steps=20).advice[:55]
        'A gap: the step from t = 4 to 0 turns 98% of the varian'
        """
        if grid is None and steps is None:
            return diagnose(self, None)
        from scorefield.grids import resolve_times  # grids know schedules

        return diagnose(self, resolve_times(grid, self, steps, min(USUAL_STEPS, self.T or USUAL_STEPS)))

    @property
    def _core(self) -> Any:
        """The core's schedule. Not kept: it holds this object."""
        for name in ("t_min", "t_max"):
            if not hasattr(self, name):
                raise TypeError(f"{type(self).__name__} must have {name}: t_min, t_max = 1e-3, 1.0, for instance")
        t_max = number(self.t_max, "t_max", 0, open_low=True)
        t_min = number(self.t_min, "t_min", 0, t_max, open_high=True)
        T = 0 if self.T is None else integer(self.T, "T", 1)
        first, middle, last = (float(self.alpha(t)) for t in (t_min, (t_min + t_max) / 2, t_max))
        low, high = float(self.sigma(t_min)), float(self.sigma(t_max))
        if min(low, high) >= 0 and first * high <= last * low:
            raise ValueError(
                f"alpha / sigma of {type(self).__name__} must fall, for t = 0 is the data, but goes from "
                f"{first:g} / {low:g} at t_min to {last:g} / {high:g} at t_max; is its time turned round?"
            )
        exploding = first == middle == last == 1
        return _core.PythonSchedule(
            self, t_min, t_max, T, exploding, number(self.sigma_data, "sigma_data", 0, open_low=True)
        )

    def _map(self, name: str, t: npt.ArrayLike) -> Real:
        """The core's function of that name, for one time or an array of any shape."""
        return _plain(getattr(self._core, name)(self._times(t)))

    def _times(self, t: npt.ArrayLike, name: str = "t") -> npt.NDArray[np.float64]:
        """`t` as float64, checked to lie in 0..t_max."""
        times = real_array(t, name, dtype=np.float64, finite=False, empty=True)
        inside = (times >= 0) & (times <= self.t_max)
        if not inside.all():
            worst = float(times[~inside].ravel()[0]) if times.ndim else float(times)
            raise ValueError(f"{name} must lie in 0..{self.t_max:g} (0 is the data), got {worst:g}")
        return times

    def _row_times(self, t: npt.ArrayLike, n: int, name: str = "t") -> npt.NDArray[np.float64]:
        """Times of n rows: one for all, (1,), or one each, (n,)."""
        times = self._times(t, name)
        if times.ndim and times.shape != (n,):
            raise ValueError(f"{name} must be one time or have shape ({n},), one for each row, got shape {times.shape}")
        return times if times.ndim else times.reshape(1)

    def _clipped_betas(self) -> int:
        return 0

    def _state(self) -> dict[str, Any]:
        """What the object is made of; `_core` is not part of it."""
        return {name: value for name, value in vars(self).items() if name != "_core"}

    def __getstate__(self) -> dict[str, Any]:
        return self._state()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Schedule) and self._state() == other._state()

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(self._state().items()))))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._state().items())})"


def _plain(values: Array) -> Real:
    return values if values.ndim else float(values)


def _alike(**arrays: npt.ArrayLike) -> tuple[Array, ...]:
    """Arrays of one shape (n, *shape) and one type: float64 if one of them is, else float32."""
    seen = {name: np.asarray(a) for name, a in arrays.items() if not isinstance(a, np.ma.MaskedArray)}
    dtype = np.float64 if any(a.dtype == np.float64 for a in seen.values()) else np.float32
    checked = {name: real_array(a, name, dtype=dtype, images=True) for name, a in arrays.items()}
    (first, one), *others = checked.items()
    if one.ndim == 0:
        raise ValueError(f"{first} must have shape (n, ...), the first axis counting samples, got one number")
    for name, a in others:
        if a.shape != one.shape:
            raise ValueError(f"{name} must have the shape of {first}, {one.shape}, got {a.shape}")
    return tuple(checked.values())


def _normal(like: Array, seed: int | None) -> Array:
    draw: Callable[..., Array] = _core.normal32 if like.dtype == np.float32 else _core.normal64
    return draw(list(like.shape), seed_number(seed), FORWARD, 0, 0)
