"""Data to try things on: real digits, tables, pictures, and sets made from counters. Each function gives (x, labels or
captions).
"""

from scorefield.datasets.openmoji import emoji
from scorefield.datasets.photographs import photos
from scorefield.datasets.plane import checkerboard, gaussians, moons, pinwheel, rings, swiss_roll
from scorefield.datasets.real import breast_cancer, digits, mnist, wine
from scorefield.datasets.series import sines
from scorefield.datasets.two_digits import scenes

__all__ = [
    "breast_cancer",
    "checkerboard",
    "digits",
    "emoji",
    "gaussians",
    "mnist",
    "moons",
    "photos",
    "pinwheel",
    "rings",
    "scenes",
    "sines",
    "swiss_roll",
    "wine",
]
