"""What goes wrong most often with a schedule or a time grid, and the advice against it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scorefield.errors import ScheduleWarning

if TYPE_CHECKING:
    from scorefield.schedules.base import Schedule

HIGH_TERMINAL_SNR = 0.02  # above it the last x_t still shows the data, and sampling from pure noise is biased
HIGH_GAIN = 300.0  # 1/alpha_T above it: an error of eps ruins x0_hat. Measured at 500: eps trains 4 times worse than v
MANY_CLIPPED = 0.01  # of all steps: more than the end of the formula is cut
GAP = (
    2 / 3
)  # of the variance that one step turns from noise to data; 10 steps on any grid that suits take less than 0.5
REST = 0.05  # deviation of the noise left at the end, in deviations of the data


@dataclass(frozen=True)
class Diagnosis:
    """What `Schedule.diagnose` found; print it.

    terminal_snr : snr at t_max, what is left of the data where sampling starts from pure noise (0 is ideal).
    alpha_bar_1 : alpha^2 at t_min.   gain : 1/alpha at t_max, by which an error of eps is magnified in x0_hat.
    clipped_betas : how many steps were cut to the largest beta allowed.   advice : sentences, empty if all is well.
    largest_step : of a grid, the largest share of the variance that one step turns from noise to data; else None.
    """

    terminal_snr: float
    alpha_bar_1: float
    gain: float
    clipped_betas: int
    advice: str
    largest_step: float | None = None

    def __str__(self) -> str:
        facts = [f"terminal snr {self.terminal_snr:.3g}", f"first alpha_bar {self.alpha_bar_1:.6g}"]
        facts += [f"1/alpha_T {self.gain:.4g}"]
        if self.clipped_betas:
            facts += [f"{self.clipped_betas} clipped beta{'s' if self.clipped_betas != 1 else ''}"]
        if self.largest_step is not None:
            facts += [f"largest step {self.largest_step:.2g}"]
        return ", ".join(facts) + f". {self.advice}" * bool(self.advice)


def diagnose(schedule: Schedule, times: npt.NDArray[np.float64] | None) -> Diagnosis:
    """Return the diagnosis of a schedule, and of the times of a grid on it."""
    end = schedule.at(schedule.t_max)
    gain, terminal = 1 / float(end.alpha) if end.alpha > 0 else float("inf"), float(end.snr)
    clipped, single = schedule._clipped_betas(), schedule._core.single
    advice = [] if single else _about_the_end(schedule, terminal, gain)
    if clipped > MANY_CLIPPED * (schedule.T or 1) + 1:
        advice += [f"{clipped} betas are clipped, so the formula is left early: raise the clip or take more steps."]
    largest = None
    if times is not None:
        noise = _noise_share(schedule, times)
        largest = float((noise[:-1] - noise[1:]).max())
        advice += [] if single else _about_the_grid(schedule, times, noise)
    return Diagnosis(terminal, float(schedule.alpha_bar(schedule.t_min)), gain, clipped, " ".join(advice), largest)


def warn_of_start(schedule: Schedule, times: npt.NDArray[np.float64], stacklevel: int = 4) -> None:
    """Give a ScheduleWarning if a run from pure noise begins where x_t still shows the data."""
    if times[1] < times[0] < schedule.t_max and schedule.snr(times[0]) > HIGH_TERMINAL_SNR:
        warnings.warn(_start(schedule, times[0]), ScheduleWarning, stacklevel=stacklevel)


def _about_the_end(schedule: Schedule, terminal_snr: float, gain: float) -> list[str]:
    if terminal_snr > HIGH_TERMINAL_SNR:
        exploding = schedule._core.exploding
        cure = "a larger last sigma" if exploding else "more steps, larger betas or zero_terminal_snr()"
        return [f"At t_max the data still show, while sampling starts from pure noise: use {cure}."]
    if gain == float("inf"):
        return ["alpha is 0 at t_max: predict v or x0 (RectifiedFlow: flow), not eps."]
    return ["Predict v or x0: at t_max an error of eps is magnified that much."] if gain > HIGH_GAIN else []


def _about_the_grid(schedule: Schedule, times: npt.NDArray[np.float64], noise: npt.NDArray[np.float64]) -> list[str]:
    advice = []
    if times[0] < schedule.t_max and schedule.snr(times[0]) > HIGH_TERMINAL_SNR:
        advice += [f"{_start(schedule, times[0])}."]
    falls = noise[:-1] - noise[1:]
    worst = int(falls.argmax())
    if len(times) > 3 and falls[worst] > GAP:
        advice += [
            f"A gap: the step from t = {times[worst]:g} to {times[worst + 1]:g} turns {falls[worst]:.0%} of the "
            "variance from noise to data at once; take more steps or another grid (the default one, LogSNR, Karras)."
        ]
    rest = float(schedule.sigma(times[-1]) / schedule.alpha(times[-1]) / schedule._core.sigma_data)
    if rest > REST:
        advice += [f"The grid ends at t = {times[-1]:g}, where noise of deviation {rest:.2g} is left: end it at 0."]
    return advice


def _start(schedule: Schedule, t: float) -> str:
    return (
        f"The grid begins at t = {t:g} with snr = {schedule.snr(t):.3g}: there x_t still shows the data, but sampling "
        f"starts from pure noise; begin at t_max = {schedule.t_max:g}, or give x_T"
    )


def _noise_share(schedule: Schedule, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """sigma^2 / (sigma^2 + alpha^2 s^2), the share of the noise in the variance of x_t; s: deviation of the data."""
    noise, signal = np.square(schedule.sigma(times)), np.square(schedule.alpha(times)) * schedule._core.sigma_data**2
    share: npt.NDArray[np.float64] = noise / (noise + signal)
    return share
