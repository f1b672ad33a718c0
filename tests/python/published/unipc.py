"""UniPC (Zhao et al. 2023, arXiv:2302.04867): predicted and corrected states kept apart.

Algorithms 5 and 6 on noise, 7 and 8 on data.
"""

import numpy as np


def unipc(p, order, variant, lower_order_final=0, noise=False, uncorrected=()):
    q, t = p.process, p.times
    lam = [p.lam(s) for s in t]
    answer = p.eps if noise else p.x0
    corrected, Q = p.x_T, [answer(p.x_T, t[0])]
    predicted = p.x_T
    for i in range(1, len(t)):
        if t[i] == 0:
            return p.x0(predicted, t[i - 1])
        left = len(t) - 1 - i
        n = min(order, i, left + 1 if left < lower_order_final else order)
        h, m0 = lam[i] - lam[i - 1], Q[-1]
        r = [(lam[i - 1 - m] - lam[i - 1]) / h for m in range(1, n)]
        D = [(Q[-1 - m] - m0) / r_m for m, r_m in enumerate(r, start=1)]
        hh = h if noise else -h
        if noise:
            plain = q.alpha(t[i]) / q.alpha(t[i - 1]) * corrected - q.sigma(t[i]) * np.expm1(hh) * m0
        else:
            plain = q.sigma(t[i]) / q.sigma(t[i - 1]) * corrected - q.alpha(t[i]) * np.expm1(hh) * m0
        B = hh if variant == "bh1" else np.expm1(hh)  # the code of the paper multiplies by B(hh)
        scale = q.sigma(t[i]) if noise else q.alpha(t[i])
        predicted = plain - scale * B * weighted(r, D, hh, B)
        if i == len(t) - 1:
            return predicted
        m_t = answer(predicted, t[i])
        corrected = plain - scale * B * weighted([*r, 1.0], [*D, m_t - m0], hh, B)
        corrected = predicted if i - 1 in uncorrected else corrected
        Q.append(m_t)
    raise AssertionError


def weighted(r, D, hh, B):
    """sum a_m D_m with R_p(h) a_p = b: row k holds r^{k-1}, b_k = k! phi_{k+1}(hh) hh / B; a_1 = 1/2 if alone."""
    if not r:
        return 0.0
    if len(r) == 1:
        return 0.5 * D[0]
    b, phi, factorial = [], np.expm1(hh) / hh - 1, 1.0
    for k in range(1, len(r) + 1):
        factorial *= k
        b.append(phi * factorial / B)
        phi = phi / hh - 1 / (factorial * (k + 1))
    a = np.linalg.solve(np.vander(r, increasing=True).T, b)
    return sum(a_m * D_m for a_m, D_m in zip(a, D, strict=True))
