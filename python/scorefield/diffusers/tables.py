"""The noise levels of diffusers' schedulers, in the precision in which they keep them: float32.

What they tell the network is found from these numbers by rounding and truncation, so the last digit matters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorefield.diffusers.settings import NOTHING, NUMBER, Settings

Array = NDArray[Any]
ALMOST_ZERO = np.float32(2.0**-24)  #: alpha_bar that stands for 0 where a ratio sigma / alpha is needed


def sigma_ratios(s: Settings) -> Array:
    """Return sigma / alpha at their timesteps 0..T - 1, (T,) float32."""
    alpha_bars = _alpha_bars(s)
    if s.get("rescale_betas_zero_snr", bool):
        alpha_bars[-1] = ALMOST_ZERO
    one = np.float32(1)
    ratios: Array = np.sqrt((one - alpha_bars) / alpha_bars)
    return ratios


def _alpha_bars(s: Settings) -> Array:
    betas = _betas(s)
    if s.get("rescale_betas_zero_snr", bool):
        betas = _zero_snr(betas)
    return _products(np.float32(1) - betas)


def _products(alphas: Array) -> Array:
    return np.cumprod(alphas.astype(np.float64)).astype(np.float32)


def _betas(s: Settings) -> Array:
    given, T = s.get("trained_betas", (list, NOTHING)), s.get("num_train_timesteps", int)
    if given is not None:
        table: Array = np.asarray(given, np.float32)
        return table
    start, end = float(s.get("beta_start", NUMBER)), float(s.get("beta_end", NUMBER))
    name = s.get("beta_schedule", str)
    if name == "scaled_linear":
        root = _linspace(start**0.5, end**0.5, T)
        return root * root
    if name == "squaredcos_cap_v2":  # Nichol and Dhariwal 2021, eq. 17
        bars = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
        cosine: Array = np.minimum(1 - bars[1:] / bars[:-1], 0.999).astype(np.float32)
        return cosine
    if name == "sigmoid":
        return (1 / (1 + np.exp(-_linspace(-6, 6, T)))) * np.float32(end - start) + np.float32(start)
    return _linspace(start, end, T)


def _linspace(start: float, end: float, count: int) -> Array:
    """Equal float32 steps from the nearer end, each rounded once, as PyTorch does it."""
    first, last = np.float32(start), np.float32(end)
    step = (last - first) / np.float32(max(count - 1, 1))
    index, width = np.arange(count), float(step)
    upper = float(last) - width * (count - 1 - index)
    return np.where(index < count // 2, float(first) + width * index, upper).astype(np.float32)


def _zero_snr(betas: Array) -> Array:
    """Lin et al. 2023, algorithm 1."""
    roots = np.sqrt(_products(np.float32(1) - betas))
    first, last = roots[0], roots[-1]
    bars = ((roots - last) * (first / (first - last))) ** 2
    alphas = np.concatenate([bars[:1], bars[1:] / bars[:-1]])
    return np.float32(1) - alphas
