"""The laws of a noise schedule."""

import numpy as np
import numpy.typing as npt

from scorefield.schedules.base import Schedule

Numbers = npt.NDArray[np.float64]


def check_law(holds: object, law: str) -> None:
    """Raise AssertionError with the law's words unless it holds; returns None."""
    if not holds:
        raise AssertionError(law)


def check_schedule(schedule: Schedule) -> None:
    """Check the laws of a schedule: t = 0 is the data, snr falls strictly, `time_of` inverts, f and g2 are derivatives.

    Returns None. AssertionError names the law that is broken and where; TypeError if it is no `Schedule`.

    >>> from scorefield.schedules import Linear
    >>> check_schedule(Linear(1000))
    """
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule, got {type(schedule).__name__}")
    check_law(0 <= schedule.t_min <= schedule.t_max < np.inf, "0 <= t_min <= t_max: networks are trained in between")
    check_law(isinstance(hash(schedule), int) and schedule == schedule, "a schedule is hashable and equals itself")
    _check_values(schedule)
    try:
        if schedule._core.single:
            return
    except ValueError as error:
        raise AssertionError(f"snr falls strictly with t: {error}") from None
    check_law(schedule.alpha(0.0) == 1 and schedule.sigma(0.0) == 0, "alpha(0) = 1 and sigma(0) = 0: t = 0 is the data")
    _check_snr(schedule)
    _check_rates(schedule)


def _times(schedule: Schedule, n: int = 201) -> Numbers:
    """Times from t_min to just below t_max, dense at both ends: alpha may be 0 at t_max itself."""
    u = np.unique(np.clip((1 - np.cos(np.linspace(0, np.pi, n))) / 2, 0, 0.999))
    times: Numbers = schedule.t_min + (schedule.t_max - schedule.t_min) * u
    return np.unique(times)


def _check_values(schedule: Schedule) -> None:
    t = np.append(_times(schedule), schedule.t_max)
    alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
    for name, values in (("alpha", alpha), ("sigma", sigma)):
        check_law(values.shape in (t.shape, ()), f"{name}(t) has the shape of t: {t.shape}, not {values.shape}")
        check_law(np.isfinite(values).all() and (values >= 0).all(), f"{name}(t) is finite and >= 0")
        one = getattr(schedule, name)(float(t[len(t) // 2]))
        check_law(np.ndim(one) == 0, f"{name}(t) is a number for a number t, not {one!r}")
        # one rounding of NumPy's vector functions against its scalar ones
        same = np.isclose(float(one), np.broadcast_to(values, t.shape)[len(t) // 2], rtol=1e-14, atol=0)
        check_law(same, f"{name}(t) is the same for a number and within an array")


def _check_snr(schedule: Schedule) -> None:
    t = _times(schedule)
    log_snr = np.asarray(schedule.log_snr(t))
    rises = np.flatnonzero(np.diff(log_snr) >= 0)
    where = f"but not from t = {t[rises[0]]:g} to {t[rises[0] + 1]:g}" if len(rises) else ""
    check_law(len(rises) == 0, f"snr falls strictly with t, {where}")
    again = np.asarray(schedule.log_snr(schedule.time_of(log_snr=log_snr)))
    error = np.abs(again - log_snr) / np.maximum(1, np.abs(log_snr))
    # rounding of alpha near 1 and of t near t_max is magnified up to a thousandfold on these times
    check_law(
        error.max() < 1e-9,
        f"log_snr(time_of(log_snr=l)) = l, but {error.max():.1e} is missing at t = {t[error.argmax()]:g}",
    )


def _check_rates(schedule: Schedule) -> None:
    """(21) by central differences; of a discrete schedule in the middle of its intervals, where it has no kinks."""
    T = schedule.T
    t = np.unique(np.ceil(_times(schedule))) - 0.5 if T else _times(schedule)[1:]
    t = t[t < schedule.t_max - 1] if T else t  # the last interval of zero terminal snr is curved
    h = np.full_like(t, 1e-3) if T else 1e-4 * np.minimum(t, schedule.t_max - t)
    if len(t) == 0:
        return

    def slope(y: npt.ArrayLike, z: npt.ArrayLike) -> Numbers:
        difference: Numbers = (np.broadcast_to(z, t.shape) - np.broadcast_to(y, t.shape)) / (2 * h)
        return difference

    f = slope(np.log(schedule.alpha(t - h)), np.log(schedule.alpha(t + h)))
    sigma = np.asarray(schedule.sigma(t))
    g2 = slope(np.square(schedule.sigma(t - h)), np.square(schedule.sigma(t + h))) - 2 * f * sigma**2
    for name, exact, given in (
        ("f = d log alpha / dt", f, schedule.f(t)),
        ("g2 = d sigma^2 / dt - 2 f sigma^2", g2, schedule.g2(t)),
    ):
        # the curvature is worth h^2 = 1e-8 relative, rounding 1e-16 / 1e-4; a wrong formula or a kink is worth 1
        error = np.abs(np.asarray(given) - exact) / (np.abs(exact) + 1e-3 * np.abs(exact).max() + 1e-12)
        check_law(
            error.max() < 1e-4, f"{name} (theory 21), but it differs by {error.max():.1e} at t = {t[error.argmax()]:g}"
        )
