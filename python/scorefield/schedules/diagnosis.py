"""What goes wrong most often with a schedule, and the advice against it."""

from dataclasses import dataclass
from typing import Any

HIGH_TERMINAL_SNR = 0.02  # above it the last x_t still shows the data, and sampling from pure noise is biased
HIGH_GAIN = 300.0  # 1/alpha_T above it: an error of eps ruins x0_hat. Measured at 500: eps trains 4 times worse than v


@dataclass(frozen=True)
class Diagnosis:
    """What `Schedule.diagnose` found; print it.

    terminal_snr : snr at t_max, what is left of the data where sampling starts from pure noise (0 is ideal).
    alpha_bar_1 : alpha^2 at t_min.   gain : 1/alpha at t_max, by which an error of eps is magnified in x0_hat.
    clipped_betas : how many steps were cut to the largest beta allowed.   advice : sentences, empty if all is well.
    """

    terminal_snr: float
    alpha_bar_1: float
    gain: float
    clipped_betas: int
    advice: str

    def __str__(self) -> str:
        clipped = f", {self.clipped_betas} clipped beta{'s' if self.clipped_betas != 1 else ''}" * (
            self.clipped_betas > 0
        )
        numbers = (
            f"terminal snr {self.terminal_snr:.3g}, first alpha_bar {self.alpha_bar_1:.6g}, 1/alpha_T {self.gain:.4g}"
        )
        return numbers + clipped + f". {self.advice}" * bool(self.advice)


def advice_for(core: Any, terminal_snr: float, gain: float) -> str:
    """Return the sentences for a core schedule with these numbers, "" if all is well."""
    if core.single:
        return ""
    if terminal_snr > HIGH_TERMINAL_SNR:
        cure = "a larger last sigma" if core.exploding else "more steps, larger betas or zero_terminal_snr()"
        return f"At t_max the data still show, while sampling starts from pure noise: use {cure}."
    if gain == float("inf"):
        return "alpha is 0 at t_max: predict v or x0 (RectifiedFlow: flow), not eps."
    return "Predict v or x0: at t_max an error of eps is magnified that much." if gain > HIGH_GAIN else ""
