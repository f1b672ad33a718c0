"""The probability-flow ODE, theory (24), solved step by step, run upwards, and to the last digits.

In time it is dx/dt = f x - g^2 / 2 score = f x + g^2 / (2 sigma) eps (Song et al. 2021, arXiv:2011.13456, eq. 13); in
u = x / alpha and n = sigma / alpha it is du/dn = eps (Song, Meng and Ermon 2021, arXiv:2010.02502, eq. 14).
"""

from itertools import pairwise

import numpy as np


def velocity(p, x, t):
    """dx/dt."""
    q = p.process
    return q.f(t) * x + q.g2(t) / (2 * q.sigma(t)) * p.eps(x, t)


def euler_in_time(p):
    """Euler's method on eq. 13, to which the Euler-Maruyama method comes down without noise."""
    x = p.x_T
    for t, s in pairwise(p.times):
        x = p.x0(x, t) if s == 0 else x + (s - t) * velocity(p, x, t)
    return x


def heun_in_time(p):
    """Karras et al. 2022 (arXiv:2206.00364), algorithm 1, with the schedule's own alpha and sigma."""
    x = p.x_T
    for t, s in pairwise(p.times):
        if s == 0:
            return p.x0(x, t)
        d = velocity(p, x, t)
        x = x + (s - t) / 2 * (d + velocity(p, x + (s - t) * d, s))
    return x


def rectified_euler(p):
    """Liu et al. 2023 (arXiv:2209.03003): Z_s = Z_t + (s - t) v(Z_t, t), here with noise at t = 1."""
    x = p.x_T
    for t, s in pairwise(p.times):
        x = x + (s - t) * (x - p.x0(x, t)) / t
    return x


def rectified_heun(p):
    """The same with the mean of the slopes at both ends; at t = 0 there is none."""
    x = p.x_T
    for t, s in pairwise(p.times):
        v = (x - p.x0(x, t)) / t
        there = x + (s - t) * v
        x = there if s == 0 else x + (s - t) / 2 * (v + (there - p.x0(there, s)) / s)
    return x


def inverted(p):
    """Song, Meng and Ermon 2021, section 4.3: the steps of eq. 14 from the data, p.x_T, up; below t_min eps is its."""
    q, x = p.process, p.x_T
    least = q.schedule.t_min
    for t, s in pairwise(p.times[::-1]):
        asked = max(t, min(least, s))
        u = x / q.alpha(t)
        e = p.eps(q.alpha(asked) * u, asked)
        x = q.alpha(s) * (u + (q.sigma(s) / q.alpha(s) - q.sigma(t) / q.alpha(t)) * e)
    return x


def exact(p, in_time, steps):
    """The solution, by the classical method of Runge and Kutta with even steps of lambda; to 0 by x0_hat at t_min."""
    q, x = p.process, p.x_T
    last = p.times[-1] if p.times[-1] > 0 else q.schedule.t_min
    lam = np.linspace(p.lam(p.times[0]), p.lam(last), steps + 1)
    if in_time:
        for t, s in pairwise(q.t_of_lambda(lam)):
            x = runge_kutta(lambda y, tau: velocity(p, y, tau), x, t, s - t)
    else:

        def slope(u, at):  # du/dlambda = -n eps, n = e^-lambda
            t = q.t_of_lambda(at)
            return -np.exp(-at) * p.eps(q.alpha(t) * u, t)

        u = x / q.alpha(p.times[0])
        for a, b in pairwise(lam):
            u = runge_kutta(slope, u, a, b - a)
        x = q.alpha(last) * u
    return p.x0(x, last) if p.times[-1] == 0 else x


def runge_kutta(slope, y, t, h):
    """One step of Kutta 1901."""
    a = slope(y, t)
    b = slope(y + h / 2 * a, t + h / 2)
    c = slope(y + h / 2 * b, t + h / 2)
    return y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c, t + h))
