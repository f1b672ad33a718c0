"""Metrics: closed forms, identities, and transcriptions in plain NumPy as a second opinion."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from scorefield import _core, datasets, metrics

rng = np.random.default_rng(0)
DISTANCES = [metrics.energy_distance, metrics.mmd, metrics.sliced_wasserstein, metrics.frechet]


def name(function):
    return function.__name__


def normals(*shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def pairwise(a, b):
    return np.linalg.norm(a.reshape(len(a), 1, -1).astype(float) - b.reshape(1, len(b), -1), axis=2)


@pytest.mark.parametrize("distance", DISTANCES, ids=name)
def test_equal_samples_are_at_zero(distance):
    a = normals(80, 4, 4, 1, seed=0)
    assert distance(a, a) == pytest.approx(0, abs=1e-6)
    assert distance(a, a + 1) > 0.1


@pytest.mark.parametrize("distance", DISTANCES, ids=name)
def test_symmetric_and_blind_to_the_order_of_rows(distance):
    a, b = normals(130, 5, seed=1), 0.5 + normals(70, 5, seed=2)
    order = np.random.default_rng(3).permutation(130)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)
    assert distance(a[order], b) == pytest.approx(distance(a, b), rel=1e-9)


@pytest.mark.parametrize("distance", DISTANCES, ids=name)
def test_moving_both_samples_changes_nothing(distance):
    a, b = normals(60, 3, seed=1), 2 * normals(50, 3, seed=2)
    assert distance(a + 4, b + 4) == pytest.approx(distance(a, b), rel=1e-5)  # float32 rounding of a + 4


@pytest.mark.parametrize(
    ("distance", "power"), [(DISTANCES[0], 0.5), (DISTANCES[1], 0), (DISTANCES[2], 1), (DISTANCES[3], 2)]
)
def test_units(distance, power):
    a, b = normals(60, 3, seed=1), 2 * normals(50, 3, seed=2)
    assert distance(4 * a, 4 * b) == pytest.approx(4**power * distance(a, b), rel=1e-6)


@pytest.mark.parametrize("distance", DISTANCES, ids=name)
def test_thread_count_does_not_show(distance):
    a, b = normals(400, 7, seed=1), 2 * normals(333, 7, seed=2)
    _core.set_thread_cap(1)
    serial = distance(a, b)
    _core.set_thread_cap(0)
    assert serial == distance(a, b)


@pytest.mark.parametrize("distance", DISTANCES, ids=name)
def test_bad_samples_are_refused(distance):
    with pytest.raises(ValueError, match=r"of one shape, got \(3, 2\) and \(3, 4\)"):
        distance(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="a holds 1 non-finite value, first at"):
        distance([[0.0], [np.nan]], [[0.0], [1.0]])
    with pytest.raises(ValueError, match="b is empty"):
        distance(np.zeros((3, 2)), np.zeros((0, 2)))
    with pytest.raises(TypeError, match="from_uint8"):
        distance(np.zeros((3, 2), np.uint8), np.zeros((3, 2), np.uint8))


def test_energy_distance_is_that_of_scipy_on_the_line():
    a, b = normals(57, seed=4), 3 + normals(31, seed=5)
    # SciPy forms sqrt(2 int (F - G)^2): the same number for the same empirical distributions.
    assert metrics.energy_distance(a, b) == pytest.approx(scipy.stats.energy_distance(a, b), rel=1e-9)


def test_energy_distance_by_all_pairs():
    a, b = normals(70, 3, 2, seed=6), 1 + normals(41, 3, 2, seed=7)
    square = 2 * pairwise(a, b).mean() - pairwise(a, a).mean() - pairwise(b, b).mean()
    assert metrics.energy_distance(a, b) == pytest.approx(math.sqrt(square), rel=1e-9)


def test_mmd_by_all_pairs():
    a, b = normals(70, 6, seed=6), 1 + normals(41, 6, seed=7)
    h = math.sqrt(np.concatenate([a, b]).astype(float).var(0).sum())

    def kernel(x, y):
        return np.mean([np.exp(-(pairwise(x, y) ** 2) / (2 * (c * h) ** 2)) for c in (0.25, 0.5, 1, 2, 4)], 0).mean()

    truth = math.sqrt(kernel(a, a) + kernel(b, b) - 2 * kernel(a, b))
    assert metrics.mmd(a, b) == pytest.approx(truth, rel=1e-9)
    assert metrics.mmd(a, b, bandwidth=h) == pytest.approx(truth, rel=1e-6)
    assert metrics.mmd([[0.0]], [[1e6]], bandwidth=1) == pytest.approx(math.sqrt(2))


def test_sliced_wasserstein_on_the_line_is_wasserstein():
    a, b = normals(300, seed=1), 2 * normals(200, seed=2)
    levels = (np.arange(600) + 0.5) / 600  # 600 = lcm(300, 200) pieces on which both quantile functions are constant
    quantile = [np.sort(x)[(levels * len(x)).astype(int)].astype(float) for x in (a, b)]
    truth = math.sqrt(np.mean((quantile[0] - quantile[1]) ** 2))
    assert metrics.sliced_wasserstein(a, b, projections=3) == pytest.approx(truth, rel=1e-9)


def test_sliced_wasserstein_of_normals():
    """N(0, I) and N(s, c^2 I): W2^2 = <s, u>^2 + (c - 1)^2 on every line, hence |s|^2 / D + (c - 1)^2 in the mean."""
    a, b = normals(4000, 3, seed=1), 3 * normals(4000, 3, seed=2)
    b[:, 0] += 1
    found = metrics.sliced_wasserstein(a, b, projections=300, seed=0) ** 2
    # 5 s.e.: directions, var <u, e>^2 = 3/15 - 1/9: 0.09; deviations of three columns, 2 (c - 1) 3 / sqrt(6 n): 0.39
    # (all directions see the same sample); means, 2 sqrt(1/3) sqrt(10 / n) / sqrt(3): 0.17.
    assert found == pytest.approx(1 / 3 + 4, abs=0.45)


def test_sliced_wasserstein_has_the_stated_scale_in_the_plane():
    """The figures that the toy sets' stories rely on: two fresh sets are near, a bell of the same moments is far."""
    x, fresh = datasets.moons(4000, seed=0)[0], datasets.moons(2000, seed=1)[0]
    bell = np.random.default_rng(0).multivariate_normal(x.mean(0), np.cov(x.T), 2000)
    assert metrics.sliced_wasserstein(x[:2000], fresh) < 0.07
    assert metrics.sliced_wasserstein(bell, fresh) > 0.15


def test_projections_and_seed_are_checked():
    with pytest.raises(ValueError, match="projections must be an integer >= 1, got 0"):
        metrics.sliced_wasserstein([[0.0]], [[1.0]], projections=0)
    with pytest.raises(ValueError, match="seed must be"):
        metrics.sliced_wasserstein([[0.0]], [[1.0]], seed=-1)
    a, b = normals(50, 3, seed=1), normals(50, 3, seed=2)
    assert metrics.sliced_wasserstein(a, b, seed=1) != metrics.sliced_wasserstein(a, b, seed=2)


@pytest.mark.parametrize("n", [30, 400])  # fewer and more rows than the 60 columns
def test_frechet_by_the_matrix_root(n):
    mix = np.random.default_rng(9).standard_normal((60, 60))
    a, b = normals(n, 60, seed=1) @ mix.astype(np.float32), 0.3 + normals(n, 60, seed=2)
    cov = [np.cov(x.T.astype(float)) for x in (a, b)]
    root = np.real(scipy.linalg.sqrtm(cov[0] @ cov[1]))
    shift = a.mean(0, dtype=float) - b.mean(0, dtype=float)
    truth = shift @ shift + np.trace(cov[0] + cov[1] - 2 * root)
    # sqrtm of a singular product is good to the root of the rounding only
    assert metrics.frechet(a, b) == pytest.approx(truth, rel=1e-8 if n > 60 else 1e-4)


def test_frechet_in_the_space_of_features():
    a, b = normals(50, 4, 4, 1, seed=1), normals(60, 4, 4, 1, seed=2)
    seen = []

    def features(x):
        seen.append(x.shape)
        return x.mean((1, 2))

    truth = (a.mean((1, 2)).mean() - b.mean((1, 2)).mean()) ** 2
    truth += (a.mean((1, 2)).std(ddof=1) - b.mean((1, 2)).std(ddof=1)) ** 2
    assert metrics.frechet(a, b, features=features) == pytest.approx(truth, rel=1e-4)
    assert seen == [(50, 4, 4, 1), (60, 4, 4, 1)]
    with pytest.raises(ValueError, match=r"features must map \(50, 4, 4, 1\) to \(50, F\)"):
        metrics.frechet(a, b, features=lambda x: x.mean(0))
    with pytest.raises(ValueError, match="at least two rows, got 1 and 60"):
        metrics.frechet(a[:1], b)


def test_psnr_is_in_decibels_of_the_range():
    a = np.zeros((3, 8, 8, 1))
    b = a + np.array([0.02, 0.2, 0])[:, None, None, None]
    assert metrics.psnr(a, b) == pytest.approx([40, 20, np.inf])
    assert metrics.psnr(a, b, peak=1.0)[:2] == pytest.approx(np.array([40, 20]) - 20 * math.log10(2))
    with pytest.raises(ValueError, match=r"b must have shape \(3, 8, 8, 1\), got \(2, 8, 8, 1\)"):
        metrics.psnr(a, b[:2])
    with pytest.raises(ValueError, match="for one pair use"):
        metrics.psnr([0.0, 1.0], [0.0, 1.0])


def test_nearest_agrees_with_searching_all():
    x, to = normals(200, 5, 2, seed=1), normals(150, 5, 2, seed=2)
    index, distance = metrics.nearest(x, to)
    every = pairwise(x, to)
    assert np.array_equal(index, every.argmin(1))
    assert distance == pytest.approx(every.min(1), rel=1e-12)
    assert index.dtype == np.int64
    assert distance.shape == (200,)


def test_nearest_of_a_training_row_is_itself_at_exactly_zero():
    x, _ = datasets.digits("train")
    index, distance = metrics.nearest(x[40:60], x)
    assert np.array_equal(index, np.arange(40, 60))
    assert (distance == 0).all()


def test_report_of_unseen_real_rows_is_clean():
    x, _ = datasets.digits("train")
    test, _ = datasets.digits("test")
    control = metrics.report(test[:180], x, test[180:])
    assert control.copies < 0.05
    assert control.duplicates < 0.05
    assert control.nearest_ratio == pytest.approx(1, abs=0.1)
    assert min(control.precision, control.recall) > 0.75
    assert str(control).startswith("energy ")


def test_report_finds_copies_duplicates_and_what_is_missing():
    x, labels = datasets.digits("train")
    test, _ = datasets.digits("test")
    copied = metrics.report(np.repeat(x[:50], 4, axis=0), x, test)
    assert copied.copies == 1
    assert copied.duplicates == 1
    assert copied.nearest_ratio == 0
    only_ones = metrics.report(x[labels == 1], x[labels != 1], test)
    control = metrics.report(x[:142], x[142:], test)
    assert only_ones.recall < control.recall / 2
    assert only_ones.precision > 0.8
    assert only_ones.energy_distance > 3 * control.energy_distance
    noise = metrics.report(normals(100, 8, 8, 1, seed=0), x, test)
    assert noise.precision == 0
    assert noise.nearest_ratio > 1.5


def test_report_fields_are_the_functions_of_these_names():
    a, train, test = normals(60, 4, seed=1), normals(70, 4, seed=2), normals(50, 4, seed=3)
    found = metrics.report(a, train, test, seed=5)
    assert found.energy_distance == metrics.energy_distance(a, test)
    assert found.mmd == metrics.mmd(a, test)
    assert found.sliced_wasserstein == metrics.sliced_wasserstein(a, test, seed=5)
    assert found.frechet == metrics.frechet(a, test)
    every = np.sort(pairwise(test, test))[:, 3]  # 0 is the row itself
    assert found.precision == (pairwise(a, test) <= every).any(1).mean()
    every = np.sort(pairwise(a, a))[:, 3]
    assert found.recall == (pairwise(test, a) <= every).any(1).mean()
    near = np.sort(pairwise(a, train))[:, :2]
    assert found.copies == (3 * near[:, 0] <= near[:, 1]).mean()
    scale = np.median(pairwise(test, train).min(1))
    assert found.nearest_ratio == pytest.approx(np.median(near[:, 0]) / scale)
    assert found.duplicates == (3 * np.sort(pairwise(a, a))[:, 1] <= scale).mean()


def test_report_needs_enough_rows():
    with pytest.raises(ValueError, match="train must have at least 2 rows for a report, got 1"):
        metrics.report(normals(9, 2, seed=1), normals(1, 2, seed=2), normals(9, 2, seed=3))
    with pytest.raises(ValueError, match="samples and test must be samples"):
        metrics.report(normals(9, 2, seed=1), normals(9, 2, seed=2), normals(9, 3, seed=3))
