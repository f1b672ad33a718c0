"""LMS, PNDM and DEIS, from the papers."""

import numpy as np
from numpy.polynomial import Polynomial


def lms(p, order, to_zero=False):
    """Adams-Bashforth with the polynomials themselves, for du/dn = eps, u = x / alpha, n = sigma / alpha."""
    q, past = p.process, []
    n, u = q.sigma(p.times) / q.alpha(p.times), p.x_T / q.alpha(p.times[0])
    for i, t in enumerate(p.times[:-1]):
        past.insert(0, (n[i], p.eps(q.alpha(t) * u, t)))
        if n[i + 1] == 0 and not to_zero:
            return p.x0(q.alpha(t) * u, t)
        nodes = [node for node, _ in past[:order]]
        for j, (node, e) in enumerate(past[:order]):
            L = Polynomial([1.0])
            for other in nodes[:j] + nodes[j + 1 :]:
                L = L * Polynomial([-other, 1]) / (node - other)
            u = u + (L.integ()(n[i + 1]) - L.integ()(n[i])) * e
    return q.alpha(p.times[-1]) * u


def pndm(p, start="runge_kutta", to_zero=False):
    """Liu et al. 2022 (arXiv:2202.09778): eq. 11, with alpha their alpha_bar, then eqs. 12, 13.

    The paper has VP. A process with other alpha and sigma is one of its own, alpha_bar = 1 / (1 + sigma^2 / alpha^2),
    whose state is x' = x sqrt(alpha_bar) / alpha; on VP both are what they were.
    """
    q = p.process

    def bar(t):
        return 1 / (1 + (q.sigma(t) / q.alpha(t)) ** 2)

    def scale(t):
        return q.alpha(t) / np.sqrt(bar(t))

    def eps(x, t):
        return p.eps(x * scale(t), t)

    def phi(x, e, t, s):
        a_t, a_s = bar(t), bar(s)
        down = np.sqrt(a_t) * (np.sqrt((1 - a_s) * a_t) + np.sqrt((1 - a_t) * a_s))
        return np.sqrt(a_s / a_t) * x - (a_s - a_t) / down * e

    x, ets = p.x_T / scale(p.times[0]), []
    for i, (t, s) in enumerate(zip(p.times, p.times[1:], strict=False)):
        if s == 0 and not to_zero:
            return p.x0(x * scale(t), t)
        e = eps(x, t)
        ets.insert(0, e)
        if start == "runge_kutta" and i < 3:
            m = (t + s) / 2
            e2 = eps(phi(x, e, t, m), m)
            e3 = eps(phi(x, e2, t, m), m)
            e4 = eps(phi(x, e3, t, s), s)
            e = (e + 2 * e2 + 2 * e3 + e4) / 6
        elif i == 0:
            e = (e + eps(phi(x, e, t, s), s)) / 2
        elif i == 1:
            e = (3 * ets[0] - ets[1]) / 2
        elif i == 2:
            e = (23 * ets[0] - 16 * ets[1] + 5 * ets[2]) / 12
        else:
            e = (55 * ets[0] - 59 * ets[1] + 37 * ets[2] - 9 * ets[3]) / 24
        x = phi(x, e, t, s)
    return x * scale(p.times[-1])


def tab_deis(p, order):
    """Zhang and Chen 2022 (arXiv:2204.13902), eqs. 14, 15: C_ij = int 1/2 Psi(s, tau) g^2 / sigma prod (...) d tau."""
    q, x, past = p.process, p.x_T, []
    z, w = np.polynomial.legendre.leggauss(60)
    for t, s in zip(p.times, p.times[1:], strict=False):
        past.insert(0, (t, p.eps(x, t)))
        if s == 0:
            return p.x0(x, t)
        l0, l1 = p.lam(t), p.lam(s)  # the rule's points are even in lambda, where the integrand is tame
        lam = l0 + (l1 - l0) / 2 * (z + 1)
        tau = q.t_of_lambda(lam)
        dtau = w * (l1 - l0) / 2 * dt_dlambda(q, tau)
        x_s = q.alpha(s) / q.alpha(t) * x
        for j, (t_j, e) in enumerate(past[:order]):
            C = 0.5 * q.alpha(s) / q.alpha(tau) * q.g2(tau) / q.sigma(tau)
            for k, (t_k, _) in enumerate(past[:order]):
                if k != j:
                    C = C * (tau - t_k) / (t_j - t_k)
            x_s = x_s + (C * dtau).sum() * e
        x = x_s
    return x


def dt_dlambda(q, t):
    """d lambda / dt = -g^2 / (2 sigma^2) for every diffusion, by theory (21)."""
    return -2 * q.sigma(t) ** 2 / q.g2(t)
