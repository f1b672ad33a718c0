"""Fixed splits: which rows are for training and which are held out, the same for everybody and for ever."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array, choice
from scorefield.datasets._draw import uniform

SHARE = 0.8  # of the rows of every class that are for training


def split_rows(x: Array, labels: npt.NDArray[np.int64], split: str | None) -> tuple[Array, npt.NDArray[np.int64]]:
    """Give the rows of one split in shuffled order: (x, labels), fresh arrays.

    split : "train" (floor(0.8 n) rows), "test" (the others), None (all of them, the training rows first).
    The share of every class is the same in both within one row. The order and the split are fixed by counters.
    """
    order = np.argsort(uniform(len(labels), 1, seed=0)[:, 0], kind="stable")
    train = _first_of_each_class(labels[order], int(SHARE * len(labels)))
    chosen = {"all": np.concatenate([order[train], order[~train]]), "train": order[train], "test": order[~train]}
    rows = chosen["all" if split is None else choice(split, "split", ("train", "test"))]
    return x[rows], labels[rows]


def _first_of_each_class(labels: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.bool_]:
    """Mark `total` rows, of each class the first floor(share) and one more where the largest fractions are left
    over.
    """
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    share = counts * (total / len(labels))
    quota = np.floor(share).astype(np.int64)
    quota[np.argsort(quota - share, kind="stable")[: total - int(quota.sum())]] += 1
    of_class = place == np.arange(len(classes))[:, None]  # (classes, n)
    rank = np.cumsum(of_class, axis=1)[place, np.arange(len(labels))]  # 1 for the first row of its class
    return np.asarray(rank <= quota[place])
