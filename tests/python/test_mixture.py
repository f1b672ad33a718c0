"""Gaussian mixtures: what sf.GaussianMixture offers, against NumPy and against each other."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scorefield as sf

MEANS, STDS, WEIGHTS = np.array([[-2, 0], [1.5, 1.5], [1, -2.0]]), np.array([0.3, 0.5, 0.4]), np.array([0.5, 0.3, 0.2])


def three():
    return sf.GaussianMixture(MEANS, stds=STDS, weights=WEIGHTS)


def test_log_prob_is_the_textbook_density():
    x = np.random.default_rng(0).normal(size=(50, 2))
    square = ((x[:, None] - MEANS) ** 2).sum(-1)
    parts = WEIGHTS * np.exp(-square / (2 * STDS**2)) / (2 * np.pi * STDS**2)
    assert np.allclose(three().log_prob(x), np.log(parts.sum(1)), rtol=1e-12)
    assert np.allclose(three().log_prob(x.astype(np.float32)), np.log(parts.sum(1)), rtol=1e-5)


def test_the_noised_mixture_is_the_mixture_with_scaled_means_and_widened_covariances():
    schedule = sf.schedules.Linear(1000)
    alpha, sigma = schedule.alpha(300.0), schedule.sigma(300.0)
    noised = sf.GaussianMixture(alpha * MEANS, stds=np.sqrt(alpha**2 * STDS**2 + sigma**2), weights=WEIGHTS)
    x = np.random.default_rng(1).normal(size=(40, 2))
    at_zero = noised.denoiser(sf.schedules.VP()).score(x, 0.0)
    assert np.allclose(three().denoiser(schedule).score(x, 300.0), at_zero, atol=1e-11)


def test_draws_have_its_moments():
    n, truth = 100_000, three()
    x = truth.sample(n, seed=1)
    mean = WEIGHTS @ MEANS
    cov = sum(
        w * (s**2 * np.eye(2) + np.outer(m - mean, m - mean)) for w, m, s in zip(WEIGHTS, MEANS, STDS, strict=True)
    )
    assert np.abs(x.mean(0) - mean).max() < 5 * np.sqrt(np.diag(cov).max() / n)
    assert np.abs(np.cov(x.T) - cov).max() < 5 * np.sqrt(2 * cov.max() ** 2 / n)
    assert np.abs(truth.mode_weights(x) - WEIGHTS).max() < 5 * np.sqrt(0.25 / n)
    assert np.abs(np.bincount(truth.component(x)) / n - WEIGHTS).max() < 0.01  # modes overlap by less than 1 %


def test_draws_come_in_parts():
    truth = three()
    whole = truth.sample(100, seed=3)
    assert whole.dtype == np.float32
    assert np.array_equal(whole, np.concatenate([truth.sample(60, seed=3), truth.sample(40, seed=3, start=60)]))
    assert not np.array_equal(whole, truth.sample(100, seed=4))


def test_every_way_to_say_the_same_spread_agrees():
    x = np.random.default_rng(2).normal(size=(20, 2))
    alike = [
        sf.GaussianMixture(MEANS, stds=0.5),
        sf.GaussianMixture(MEANS, stds=[0.5] * 3),
        sf.GaussianMixture(MEANS, stds=np.full((3, 2), 0.5)),
        sf.GaussianMixture(MEANS, covs=np.broadcast_to(0.25 * np.eye(2), (3, 2, 2))),
    ]
    for mixture in alike:
        assert np.allclose(mixture.log_prob(x), alike[0].log_prob(x), rtol=1e-12)
        again = pickle.loads(pickle.dumps(mixture))
        assert np.array_equal(again.log_prob(x), mixture.log_prob(x))


def test_a_full_covariance_is_a_rotated_diagonal_one():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stds = np.array([0.2, 1.1])
    turned = sf.GaussianMixture(MEANS @ turn.T, covs=np.stack([turn @ np.diag(stds**2) @ turn.T] * 3), weights=WEIGHTS)
    straight = sf.GaussianMixture(MEANS, stds=np.stack([stds] * 3), weights=WEIGHTS)
    x, schedule = np.random.default_rng(3).normal(size=(30, 2)), sf.schedules.VP()
    for name in ("denoise", "score"):
        got = getattr(turned.denoiser(schedule), name)(x @ turn.T, 0.4)
        assert np.allclose(got, getattr(straight.denoiser(schedule), name)(x, 0.4) @ turn.T, atol=1e-12)
    c = np.random.default_rng(4).normal(size=(30, 2))
    got = turned.denoiser(schedule).vjp(x @ turn.T, 0.4, c @ turn.T)
    assert np.allclose(got, straight.denoiser(schedule).vjp(x, 0.4, c) @ turn.T, atol=1e-12)


def test_images_are_points_like_any_other():
    means = np.random.default_rng(5).normal(size=(4, 3, 3, 2))
    mixture = sf.GaussianMixture(means, stds=0.0)
    exact = mixture.denoiser(sf.schedules.VP())
    assert mixture.sample(5).shape == (5, 3, 3, 2)
    drawn = exact.sample(30, steps=30)
    assert drawn.shape == (30, 3, 3, 2)
    distance = np.abs(drawn[:, None] - means).reshape(30, 4, -1).max(-1)
    assert distance.min(1).max() < 1e-5  # the empirical distribution gives its own points back, float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"means": [0.0, 1.0], "stds": 1}, r"means must have shape \(K, \*shape\), got \(2,\)"),
        ({"means": MEANS}, "exactly one of stds and covs"),
        ({"means": MEANS, "stds": [1, 2]}, r"stds must be one number or have shape \(3,\) or \(3, 2\), got \(2,\)"),
        ({"means": MEANS, "stds": -1}, "stds must be >= 0"),
        ({"means": MEANS, "stds": 1, "weights": [1, 1]}, "weights must have shape"),
        ({"means": MEANS, "stds": 1, "weights": [1, -1, 1]}, "weights must be >= 0"),
        ({"means": MEANS, "covs": np.ones((3, 2))}, "covs must have shape"),
        ({"means": MEANS, "covs": [[[1, 2], [2, 1]]] * 3}, "negative eigenvalue"),
        ({"means": [[np.nan, 0]], "stds": 1}, "non-finite"),
    ],
)
def test_what_is_no_distribution_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sf.GaussianMixture(**arguments)


def test_the_empirical_distribution_has_no_density():
    points = sf.GaussianMixture([[0.0], [1.0]], stds=0)
    with pytest.raises(ValueError, match="without spread has no density at sigma = 0"):
        points.log_prob([[0.5]])
    with pytest.raises(ValueError, match="without spread has no score at sigma = 0"):
        points.denoiser(sf.schedules.VP()).score([[0.5]], 0.0)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    components=st.integers(1, 5),
    size=st.integers(1, 4),
    t=st.floats(0.001, 1.0),
    spread=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_tweedie_holds_for_any_mixture(seed, components, size, t, spread):
    """alpha x0_hat = x + sigma^2 score, theory (13): two computations; rounding, magnified by 1/alpha."""
    rng = np.random.default_rng(seed)
    mixture = sf.GaussianMixture(
        rng.normal(size=(components, size)), stds=spread, weights=rng.uniform(0.1, 1, components)
    )
    schedule = sf.schedules.VP()
    exact, x = mixture.denoiser(schedule), rng.normal(size=(6, size)) * 2
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    tweedie = (x + sigma**2 * exact.score(x, t)) / alpha
    assert np.allclose(exact.denoise(x, t), tweedie, atol=1e-10 / alpha)
