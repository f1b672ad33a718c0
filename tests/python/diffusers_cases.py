"""A network that both libraries can ask: eps of an exact mixture, as a function of (x_t, timestep)."""

import json

import numpy as np

import scorefield as sf

SHAPE = (2, 3)


class SmoothNetwork:
    """eps(x, k), smooth in x and in the timestep, in float64: like a network, right about nothing."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.weight, self.bias = rng.normal(size=(6, 6)) / 6, rng.normal(size=6)
        self.asked = []

    def __call__(self, x, k):
        k = np.broadcast_to(np.asarray(k, np.float64), len(x))[:, None]
        self.asked.append(float(k[0, 0]))
        flat = np.asarray(x, np.float64).reshape(len(x), -1)
        y = 0.9 * flat + 0.3 * np.tanh(flat @ self.weight + self.bias * np.cos(k / 200)) + 0.05 * np.sin(k / 30)
        return y.reshape(np.shape(x))


def write_scheduler(folder, settings):
    """A folder with a scheduler alone."""
    (folder / "scheduler").mkdir(parents=True, exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    return folder


def ours(folder, network, x_T, steps, end=None):
    """What we sample with that folder's settings and this network.   end : sigma / alpha of another last level."""
    from scorefield.diffusers.scheduler import read
    from scorefield.grids import resolve_times

    law = read(folder / "scheduler" / "scheduler_config.json")
    told = 1000 if law.prediction == "flow" else 1
    heard = (lambda t: told * t) if law.prediction == "flow" else (lambda t: t - 1)
    denoiser = sf.Denoiser(lambda x, t: network(x, heard(t)), law.schedule, SHAPE, prediction=law.prediction)
    words = sf.diffusers.sampling(folder, steps=steps)
    if end is not None:
        times = resolve_times(words["grid"], law.schedule, words.pop("steps", None), steps)
        words["grid"] = np.append(times[:-1], law.schedule.time_of(log_snr=-2 * np.log(end)))
    return denoiser.sample(x_T=x_T, progress=False, **words)
