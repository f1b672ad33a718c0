"""Made pictures with captions: two real digits in colour."""

import numpy as np

from scorefield._arrays import Array, integer, seed_number
from scorefield.datasets._draw import uniform
from scorefield.datasets.real import digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = {
    "red": (1.0, 0.2, 0.2),
    "green": (0.2, 0.85, 0.3),
    "blue": (0.3, 0.5, 1.0),
    "yellow": (1.0, 0.85, 0.2),
}  # full ink


def scenes(n: int, seed: int | None = 0) -> tuple[Array, list[str]]:
    """Two real handwritten digits side by side on black, each in one of four colours, and the sentence that says so.

    n : rows, >= 1.   seed : in [0, 2^64), None for fresh entropy.
    Returns x (n, 8, 16, 3) float32 in [-1, 1] and n captions such as "red three left of green seven" (16 words in all).
    Row i depends on (seed, i) only. Raises ImportError if scikit-learn is missing: pip install "scorefield[data]".

    >>> x, captions = scenes(100)
    >>> x.shape
    (100, 8, 16, 3)

    The digits and their licence are those of `digits`.
    """
    n, seed = integer(n, "n", 1), seed_number(seed)
    images, labels = digits()
    u = uniform(n, 4, seed=seed)
    which = (u[:, :2] * len(images)).astype(np.int64)  # (n, 2): the left digit, the right one
    colour = (u[:, 2:] * len(COLOURS)).astype(np.int64)
    ink = (images[which] + 1) / 2  # (n, 2, 8, 8, 1)
    halves = ink * np.array(list(COLOURS.values()), np.float32)[colour][:, :, None, None, :] * 2 - 1
    x = np.ascontiguousarray(halves.transpose(0, 2, 1, 3, 4)).reshape(n, 8, 16, 3)
    words = np.array(list(COLOURS))[colour], np.array(NAMES)[labels[which]]
    return x, [f"{a} {b} left of {c} {d}" for (a, c), (b, d) in zip(words[0].tolist(), words[1].tolist(), strict=True)]
