"""UniPC on data (Zhao et al. 2023, arXiv:2302.04867), algorithms 7 and 8: predicted and corrected states kept apart."""

import numpy as np


def unipc(p, order, variant, lower_order_final=0):
    q, t = p.process, p.times
    lam = [p.lam(s) for s in t]
    corrected, Q = p.x_T, [p.x0(p.x_T, t[0])]
    for i in range(1, len(t)):
        if t[i] == 0:
            return Q[-1]
        left = len(t) - 1 - i
        n = min(order, i, left + 1 if left < lower_order_final else order)
        h, m0 = lam[i] - lam[i - 1], Q[-1]
        r = [(lam[i - 1 - m] - lam[i - 1]) / h for m in range(1, n)]
        D = [(Q[-1 - m] - m0) / r_m for m, r_m in enumerate(r, start=1)]
        plain = q.sigma(t[i]) / q.sigma(t[i - 1]) * corrected - q.alpha(t[i]) * np.expm1(-h) * m0
        B = -h if variant == "bh1" else np.expm1(-h)  # the code of the paper multiplies by B(hh), hh = -h
        predicted = plain - q.alpha(t[i]) * B * weighted(r, D, h, B)
        if i == len(t) - 1:
            return predicted
        m_t = p.x0(predicted, t[i])
        corrected = plain - q.alpha(t[i]) * B * weighted([*r, 1.0], [*D, m_t - m0], h, B)
        Q.append(m_t)
    raise AssertionError


def weighted(r, D, h, B):
    """sum a_m D_m with R_p(h) a_p = b: row k holds r^{k-1}, b_k = k! phi_{k+1}(hh) hh / B; a_1 = 1/2 if alone."""
    if not r:
        return 0.0
    if len(r) == 1:
        return 0.5 * D[0]
    hh, b, phi, factorial = -h, [], np.expm1(-h) / -h - 1, 1.0
    for k in range(1, len(r) + 1):
        factorial *= k
        b.append(phi * factorial / B)
        phi = phi / hh - 1 / (factorial * (k + 1))
    a = np.linalg.solve(np.vander(r, increasing=True).T, b)
    return sum(a_m * D_m for a_m, D_m in zip(a, D, strict=True))
