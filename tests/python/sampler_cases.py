"""What tests of samplers share: a mixture whose samples are known, and a sampler written in Python."""

import numpy as np

import scorefield as sf

TRUTH = sf.GaussianMixture([[-2, 0], [1.5, 1.5], [1, -2]], stds=[0.3, 0.5, 0.4], weights=[0.5, 0.3, 0.2])


class Midpoint(sf.Sampler):
    """Explicit midpoint rule for du/dn = (u - x0_hat)/n, with u = x/alpha and n = sigma/alpha."""

    order, calls, stochastic = 2, 2, False

    def step(self, k):
        n, n_s = k.t.sigma / k.t.alpha, k.s.sigma / k.s.alpha
        u = k.x / k.t.alpha
        mid = k.schedule.at(k.schedule.time_of(log_snr=-2 * np.log((n + n_s) / 2)))
        u_mid = u + ((n + n_s) / 2 - n) * (u - k.x0) / n
        slope = (u_mid - k.denoise(mid.alpha * u_mid, mid.t)) / ((n + n_s) / 2)
        return k.s.alpha * (u + (n_s - n) * slope)
