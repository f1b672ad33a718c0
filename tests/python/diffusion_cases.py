"""Small models and data for tests of the front door."""

import numpy as np

import scorefield as sf

rng = np.random.default_rng(0)
POINTS = rng.normal(size=(200, 2)).astype(np.float32)
IMAGES = np.clip(rng.normal(size=(40, 4, 4, 1)), -1, 1).astype(np.float32)
LABELS = np.arange(40) % 3
QUIET = {"progress": False}


def points(**options):
    return sf.Diffusion(sf.MLP(2, widths=(16,)), sf.schedules.VP(), **options)


def images(**options):
    return sf.Diffusion(sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3), sf.schedules.Cosine(100), **options)


def same(a, b):
    return np.array_equal(a.net.theta, b.net.theta) and np.array_equal(
        a.raw.sample(3, steps=3), b.raw.sample(3, steps=3)
    )
