"""DPM-Solver (Lu et al. 2022, arXiv:2206.00927) and DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095), from the papers.

Their letters: lambda = log(alpha / sigma), a step from s = t_{i-1} to t = t_i, h = lambda_t - lambda_s.
"""

import numpy as np


def singlestep(p, order):
    """DPM-Solver-1, -2 (r1 = 1/2) and -3 (r1 = 1/3, r2 = 2/3): the first paper's eq. 3.7, algorithms 1 and 2."""
    q, x = p.process, p.x_T
    for s, t in zip(p.times, p.times[1:], strict=False):
        if t == 0:
            return p.x0(x, s)
        h, e = p.lam(t) - p.lam(s), p.eps(x, s)
        plain = q.alpha(t) / q.alpha(s) * x - q.sigma(t) * (np.exp(h) - 1) * e
        if order == 1:
            x = plain
        elif order == 2:
            s1 = q.t_of_lambda((p.lam(s) + p.lam(t)) / 2)
            u = q.alpha(s1) / q.alpha(s) * x - q.sigma(s1) * (np.exp(h / 2) - 1) * e
            x = q.alpha(t) / q.alpha(s) * x - q.sigma(t) * (np.exp(h) - 1) * p.eps(u, s1)
        else:
            r1, r2 = 1 / 3, 2 / 3
            s1, s2 = q.t_of_lambda(p.lam(s) + r1 * h), q.t_of_lambda(p.lam(s) + r2 * h)
            u1 = q.alpha(s1) / q.alpha(s) * x - q.sigma(s1) * (np.exp(r1 * h) - 1) * e
            D1 = p.eps(u1, s1) - e
            u2 = q.alpha(s2) / q.alpha(s) * x - q.sigma(s2) * (np.exp(r2 * h) - 1) * e
            u2 = u2 - q.sigma(s2) * r2 / r1 * ((np.exp(r2 * h) - 1) / (r2 * h) - 1) * D1
            D2 = p.eps(u2, s2) - e
            x = plain - q.sigma(t) / r2 * ((np.exp(h) - 1) / h - 1) * D2
    return x


def singlestep_pp(p, order):
    """DPM-Solver++ 2S (the second paper's algorithm 1, r = 1/2) and 3S (its appendix, r1 = 1/3, r2 = 2/3)."""
    q, x = p.process, p.x_T
    for s, t in zip(p.times, p.times[1:], strict=False):
        m = p.x0(x, s)
        if t == 0:
            return m
        h = p.lam(t) - p.lam(s)
        if order == 2:
            r = 0.5
            s1 = q.t_of_lambda(p.lam(s) + r * h)
            u = q.sigma(s1) / q.sigma(s) * x - q.alpha(s1) * (np.exp(-r * h) - 1) * m
            D = (1 - 1 / (2 * r)) * m + 1 / (2 * r) * p.x0(u, s1)
            x = q.sigma(t) / q.sigma(s) * x - q.alpha(t) * (np.exp(-h) - 1) * D
        else:
            r1, r2 = 1 / 3, 2 / 3
            s1, s2 = q.t_of_lambda(p.lam(s) + r1 * h), q.t_of_lambda(p.lam(s) + r2 * h)
            u1 = q.sigma(s1) / q.sigma(s) * x - q.alpha(s1) * (np.exp(-r1 * h) - 1) * m
            D1 = p.x0(u1, s1) - m
            u2 = q.sigma(s2) / q.sigma(s) * x - q.alpha(s2) * (np.exp(-r2 * h) - 1) * m
            u2 = u2 + q.alpha(s2) * r2 / r1 * ((np.exp(-r2 * h) - 1) / (r2 * h) + 1) * D1
            D2 = p.x0(u2, s2) - m
            x = q.sigma(t) / q.sigma(s) * x - q.alpha(t) * (np.exp(-h) - 1) * m
            x = x + q.alpha(t) / r2 * ((np.exp(-h) - 1) / h + 1) * D2
    return x


def turns(p, order, noise=False, heun=False, lower_order_final=0):
    """Single-step forms with r1, r2 wherever the grid has them: turns of steps from the same start, orders 1, 2, 3.

    The second paper's algorithm 1 and appendix for any r (the first's algorithms 1 and 2 for noise), as in their
    authors' program. heun: the polynomial through all answers of the turn, integrated.
    """
    q, t, S = p.process, p.times, len(p.times) - 1
    x, sign = p.x_T, -1 if noise else 1
    states, answers = [], []
    for i in range(S):
        states.append(x)
        answers.append(p.eps(x, t[i]) if noise else p.x0(x, t[i]))
        if t[i + 1] == 0:
            return p.x0(x, t[i])
        n = i % order + 1
        n = min(n, S - i) if S - i <= lower_order_final else n
        b = i - n + 1  # where the turn begins
        y, l_b = answers[b:], p.lam(t[b])
        h, r = p.lam(t[i + 1]) - l_b, [(p.lam(s) - l_b) / (p.lam(t[i + 1]) - l_b) for s in t[b : i + 1]]
        if heun:
            c = polynomial([r_j * h for r_j in r], y)
            total = sum(exponential_integral(h, k, sign) * c_k for k, c_k in enumerate(c))
        elif n < 3:
            D = y[0] if n == 1 else (1 - 1 / (2 * r[1])) * y[0] + 1 / (2 * r[1]) * y[1]
            total = sign * (1 - np.exp(-sign * h)) * D
        else:
            total = sign * (1 - np.exp(-sign * h)) * y[0]
            total = total + sign * ((np.exp(-sign * h) - 1) / (sign * h) + 1) / r[2] * (y[2] - y[0])
        if noise:
            x = q.alpha(t[i + 1]) / q.alpha(t[b]) * states[b] - q.sigma(t[i + 1]) * total
        else:
            x = q.sigma(t[i + 1]) / q.sigma(t[b]) * states[b] + q.alpha(t[i + 1]) * total
    return x


def multistep_2m(p):
    """DPM-Solver++ (2M): the second paper's algorithm 2."""
    q, x, t, buffer = p.process, p.x_T, p.times, []
    for i in range(1, len(t)):
        buffer.append(p.x0(x, t[i - 1]))
        if t[i] == 0:
            return buffer[-1]
        h = p.lam(t[i]) - p.lam(t[i - 1])
        D = buffer[-1]
        if i > 1:
            r = (p.lam(t[i - 1]) - p.lam(t[i - 2])) / h
            D = (1 + 1 / (2 * r)) * buffer[-1] - 1 / (2 * r) * buffer[-2]
        x = q.sigma(t[i]) / q.sigma(t[i - 1]) * x - q.alpha(t[i]) * (np.exp(-h) - 1) * D
    return x


def multistep(p, order, noise=False, half=False, heun=True, lower_order_final=0):
    """The multistep forms by their derivation, without phi functions: integrate the interpolating polynomial.

    Data, the second paper's eq. 9: x_t = sigma_t/sigma_s x + sigma_t int e^l y(l) dl; noise, the first paper's eq. 3.4:
    x_t = alpha_t/alpha_s x - alpha_t int e^-l y(l) dl. half: the curvature of the third order counts half (the authors'
    program). heun=False: the slope of the second order is multiplied by half of int 1 (2M) instead of int (l - l_s).
    """
    q, x, t, past = p.process, p.x_T, p.times, []
    sign = -1 if noise else 1
    for i in range(1, len(t)):
        past.insert(0, (p.lam(t[i - 1]), p.eps(x, t[i - 1]) if noise else p.x0(x, t[i - 1])))
        if t[i] == 0:
            return p.x0(x, t[i - 1])
        left = len(t) - 1 - i
        n = min(order, i, left + 1 if left < lower_order_final else order)
        l0, l1 = past[0][0], p.lam(t[i])
        c = polynomial([lam - l0 for lam, _ in past[:n]], [y for _, y in past[:n]])
        integrals = [exponential_integral(l1 - l0, k, sign) for k in range(n)]
        if n == 2 and not heun:
            integrals[1] = (l1 - l0) / 2 * integrals[0]
        if n == 3 and half:
            integrals[2] /= 2
        total = sum(w * c_k for w, c_k in zip(integrals, c, strict=True))
        if noise:
            x = q.alpha(t[i]) / q.alpha(t[i - 1]) * x - q.sigma(t[i]) * total
        else:
            x = q.sigma(t[i]) / q.sigma(t[i - 1]) * x + q.alpha(t[i]) * total
    return x


def polynomial(nodes, values):
    """The coefficients c_k (arrays) of sum c_k z^k through the values."""
    powers = np.linalg.inv(np.vander(nodes, increasing=True))
    return [sum(w * v for w, v in zip(row, values, strict=True)) for row in powers]


def exponential_integral(h, k, sign):
    """int_0^h e^{-sign (h - z)} z^k dz by a rule of 40 points."""
    z, w = np.polynomial.legendre.leggauss(40)
    z = h / 2 * (z + 1)
    return float((w * h / 2 * np.exp(-sign * (h - z)) * z**k).sum())
