"""A schedule at one time: the level of signal and noise, and what follows from it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Real = float | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """A schedule at one time, or at several: floats, or float64 arrays like t.

    x_t = alpha x0 + sigma eps (1); beta, f, g2 as in `Schedule`, None where a level was made without its schedule.
    """

    t: Real
    alpha: Real
    sigma: Real
    beta: Real | None = None
    f: Real | None = None
    g2: Real | None = None

    @property
    def alpha_bar(self) -> Real:
        """alpha^2, like t."""
        return self.alpha * self.alpha

    @property
    def half_log_snr(self) -> Real:
        """log(alpha / sigma), like t; infinite at t = 0. The lambda of the DPM-Solver papers."""
        with np.errstate(divide="ignore"):
            value = np.log(self.alpha) - np.log(self.sigma)
        return value if np.ndim(value) else float(value)

    @property
    def log_snr(self) -> Real:
        """log(alpha^2 / sigma^2) (2), like t; infinite at t = 0."""
        return 2 * self.half_log_snr

    @property
    def snr(self) -> Real:
        """alpha^2 / sigma^2 (2), like t; infinite at t = 0."""
        value = np.exp(self.log_snr)
        return value if np.ndim(value) else float(value)
