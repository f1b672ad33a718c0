"""Euler, Heun and the second-order steps of Karras et al. 2022 (arXiv:2206.00364), and DDIM (Song et al. 2021).

In u = x / alpha and n = sigma / alpha, as there with s(t) = alpha: D(u; n) is the denoiser, d = (u - D) / n.
"""

import numpy as np


def ddim(p):
    """Song, Meng and Ermon 2021 (arXiv:2010.02502), eq. 12 with sigma = 0."""
    q, x = p.process, p.x_T
    for t, s in zip(p.times, p.times[1:], strict=False):
        x0, e = p.x0(x, t), p.eps(x, t)
        x = q.alpha(s) * x0 + q.sigma(s) * e
    return x


def heun(p):
    """Algorithm 1."""
    q, t = p.process, p.times
    n, u = q.sigma(t) / q.alpha(t), p.x_T / q.alpha(t[0])
    for i in range(len(t) - 1):
        d = (u - p.x0(q.alpha(t[i]) * u, t[i])) / n[i]
        u_next = u + (n[i + 1] - n[i]) * d
        if n[i + 1] != 0:
            d_next = (u_next - p.x0(q.alpha(t[i + 1]) * u_next, t[i + 1])) / n[i + 1]
            u_next = u + (n[i + 1] - n[i]) * (d + d_next) / 2
        u = u_next
    return q.alpha(t[-1]) * u


def dpm2(p):
    """The midpoint rule with the geometric mean as middle, as k-diffusion defines DPM2."""
    q, t = p.process, p.times
    n, u = q.sigma(t) / q.alpha(t), p.x_T / q.alpha(t[0])
    for i in range(len(t) - 1):
        d = (u - p.x0(q.alpha(t[i]) * u, t[i])) / n[i]
        if n[i + 1] == 0:
            return u - n[i] * d
        n_mid = np.exp((np.log(n[i]) + np.log(n[i + 1])) / 2)
        t_mid = q.t_of_lambda(-np.log(n_mid))
        u_mid = u + (n_mid - n[i]) * d
        u = u + (n[i + 1] - n[i]) * (u_mid - p.x0(q.alpha(t_mid) * u_mid, t_mid)) / n_mid
    return q.alpha(t[-1]) * u
