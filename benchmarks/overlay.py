"""Learning curves on real digits from equal starts: the same network, rate, batch size and process on both sides.

Times and noise are drawn by each library's own generator, so single losses differ; curves must lie on each other within
the noise between seeds.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np
import torch

import scorefield as sf
from benchmarks import peer, weights
from benchmarks.networks import UNetCase
from scorefield._arrays import Array

CASE = UNetCase(8, 1, (16, 32), (4,), 64)
LAST = 100  # steps whose mean loss is compared


@dataclass(frozen=True)
class Curves:
    """Losses (seeds, steps) of both libraries."""

    ours: Array
    theirs: Array

    def last(self) -> tuple[list[float], list[float]]:
        """Mean loss of the last steps, for each seed."""
        return tuple([float(row[-LAST:].mean()) for row in a] for a in (self.ours, self.theirs))  # type: ignore[return-value]

    def difference(self) -> tuple[float, float]:
        """Ours minus theirs in the last steps, mean over the seeds, and its standard error from the pairs."""
        pairs = [a - b for a, b in zip(*self.last(), strict=True)]
        return statistics.fmean(pairs), statistics.stdev(pairs) / math.sqrt(len(pairs))


def curves(seeds: int = 3, steps: int = 500) -> Curves:
    """Train both from the same weights, once for each seed."""
    x = sf.datasets.digits("train")[0]
    runs = [(_ours(x, seed, steps), _theirs(x, seed, steps)) for seed in range(seeds)]
    return Curves(np.array([a for a, _ in runs]), np.array([b for _, b in runs]))


def _ours(x: Array, seed: int, steps: int) -> Array:
    model = sf.Diffusion(CASE.net(seed), sf.schedules.Linear(1000))
    model.fit(x, steps=steps, batch_size=CASE.batch, lr=1e-3, every=1, seed=seed, progress=False)
    return model.history.loss


def _theirs(x: Array, seed: int, steps: int) -> Array:
    torch.manual_seed(seed)
    net, schedule = CASE.theirs(), sf.schedules.Linear(1000)
    weights.copy(CASE.net(seed).state(), net)
    parameters = list(net.parameters())
    adam = torch.optim.Adam(parameters, 1e-3, foreach=True)
    data = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    times = np.arange(1001.0)
    alpha, sigma = (torch.tensor(a, dtype=torch.float32) for a in (schedule.alpha(times), schedule.sigma(times)))
    losses = []
    for _ in range(steps):
        x0 = data[torch.randint(len(data), (CASE.batch,))]
        t, eps = torch.randint(1, 1001, (CASE.batch,)), torch.randn_like(x0)
        x_t = alpha[t].view(-1, 1, 1, 1) * x0 + sigma[t].view(-1, 1, 1, 1) * eps
        loss = torch.nn.functional.mse_loss(net(x_t, t - 1.0), eps)
        peer.update(loss, parameters, adam)
        losses.append(float(loss.detach()))
    return np.array(losses)
