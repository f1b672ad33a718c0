"""Scales: learnt from the first data, kept, undone in samples."""

import numpy as np
import pytest
from diffusion_cases import POINTS, QUIET, points

import scorefield as sf


def test_standard_scale_trains_as_on_data_scaled_by_hand():
    x = (POINTS * [0.3, 7.0] + [5, -3]).astype(np.float32)
    mean, std = x.mean(0, dtype=np.float64).astype(np.float32), x.std(0, dtype=np.float64).astype(np.float32)
    z = ((x - mean.astype(np.float64)) / std).astype(np.float32)
    mine = points(scale="standard").fit(x, steps=5, **QUIET)
    hand = points().fit(z, steps=5, **QUIET)
    assert np.array_equal(mine.net.theta, hand.net.theta)
    np.testing.assert_allclose(mine.sample(50, steps=5), hand.sample(50, steps=5) * std + mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mine.denoise(z[:5], 0.5), hand.denoise(z[:5], 0.5) * std + mean, rtol=1e-5, atol=1e-5)
    given = points(scale=(mean, std)).fit(x, steps=5, **QUIET)
    assert np.array_equal(given.sample(5, steps=3), mine.sample(5, steps=3))
    assert mine.evaluate(x).loss == pytest.approx(hand.evaluate(z).loss, rel=1e-6)


def test_a_later_fit_keeps_the_scale_of_the_first():
    model = points(scale="standard").fit(POINTS, steps=1, **QUIET)
    before = model._scale
    model.fit(POINTS * 3, steps=1, **QUIET)
    assert model._scale is before


def test_a_column_that_does_not_vary_is_only_shifted():
    model = points(scale="standard").fit(POINTS * [1, 0] + [0, 7], steps=1, **QUIET)
    assert model._scale.x.factor[1] == 1
    assert model._scale.x.shift[1] == 7


def test_scale_must_be_learnt_before_it_is_used():
    with pytest.raises(ValueError, match="call fit before"):
        points(scale="standard").sample(3)
    with pytest.raises(ValueError, match="call fit before"):
        points(scale="standard").evaluate(POINTS)


def test_conditions_are_scaled_with_their_own_statistics():
    """In other units nothing changes but rounding.

    The third column lies 40 deviations from 0, so float32 knows its scaled entries to 40 * 2^-23 = 5e-6 in each unit:
    1e-5 of the estimated noise, which is about 1. (Samples of a net so young are hundreds: 1/alpha_T = 152.)
    """
    c = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32) * [1, 20, 0.1] + 4
    other = c * [3, 0.2, 5] - 1
    net = lambda: sf.MLP(2, widths=(8,), condition=(3,))  # noqa: E731
    eps = [
        sf.Diffusion(net(), "vp", scale="standard")
        .fit(POINTS, condition=given, steps=4, **QUIET)
        .eps(POINTS, 0.5, condition=given)
        for given in (c, other)
    ]
    np.testing.assert_allclose(*eps, atol=1e-5)
