"""Grids of one's own times, what the network is told at them, and x0_hat held by the sampler or by a threshold."""

import numpy as np
import pytest

import scorefield as sf

LINEAR = sf.schedules.Linear(1000)
X_T = np.random.default_rng(0).normal(size=(3, 4))


def told_to(asked, **words):
    def eps(x, t):
        asked.append(float(t[0]))
        return 0.5 * x + 0.1 * np.sin(t / 100)[:, None]

    return sf.Denoiser(eps, LINEAR, 4, prediction="eps").sample(x_T=X_T, sampler="ddim", **words)


def by_hand(times, told, clip=np.inf):
    """DDIM in the paper's letters (Song, Meng and Ermon 2021, eq. 12), the network asked at `told`."""
    x = X_T
    for t, s, heard in zip(times, times[1:], told, strict=False):
        eps = 0.5 * x + 0.1 * np.sin(heard / 100)
        x0 = (x - LINEAR.sigma(t) * eps) / LINEAR.alpha(t)
        x = LINEAR.alpha(s) * np.clip(x0, -clip, clip) + LINEAR.sigma(s) * eps
    return x


def test_explicit_times_are_those_of_an_array():
    times = (900.5, 300.25, 7.0, 0.0)
    assert np.array_equal(told_to([], grid=sf.grids.Explicit(times)), told_to([], grid=np.array(times)))
    assert np.array_equal(sf.grids.Explicit(times)(LINEAR, 3), times)


def test_the_network_is_told_other_times_but_the_levels_stay():
    """At given times what is given, between them on a line, beyond them the nearest."""
    asked = []
    grid = sf.grids.Explicit((950, 900, 700, 500, 100, 0), told=((900, 910), (500, 450)))
    found = told_to(asked, grid=grid)
    assert asked == [910, 910, 680, 450, 450]
    np.testing.assert_allclose(found, by_hand(grid.times, asked), rtol=1e-12, atol=1e-12)


def test_explicit_grids_are_objects_like_the_others():
    grid = sf.grids.Explicit([3.0, 1, 0], told=[(3, 2)])
    assert grid == eval(repr(grid), vars(sf.grids))
    assert hash(grid) == hash(sf.grids.Explicit((3, 1, 0), told=((3.0, 2.0),)))
    with pytest.raises(ValueError, match="holds the 2 steps already, so steps=5 cannot be given"):
        told_to([], grid=grid, steps=5)
    with pytest.raises(ValueError, match="must fall, but entry 1 is 5 after 3"):
        told_to([], grid=sf.grids.Explicit((3, 5)))
    with pytest.raises(ValueError, match="told must be pairs"):
        sf.grids.Explicit((3, 0), told=((1, 1), (2, 2)))


def test_ddim_can_hold_x0_and_leave_the_noise():
    times = (1000, 600, 200, 0)
    found = sf.Denoiser(lambda x, t: 0.5 * x + 0.1 * np.sin(t / 100)[:, None], LINEAR, 4, prediction="eps").sample(
        x_T=X_T, sampler=sf.samplers.DDIM(clip=0.3), grid=np.array(times)
    )
    np.testing.assert_allclose(found, by_hand(times, times, clip=0.3), rtol=1e-12, atol=1e-12)
    assert np.abs(found).max() <= 0.3 * (1 + 1e-12)
    with pytest.raises(ValueError, match="clip must be a number > 0"):
        sf.samplers.DDIM(clip=0)


def test_a_threshold_is_a_quantile_within_bounds():
    """One step to t = 0 returns x0_hat: here 1, 2, 3, 4, whose median is 2.5."""
    constant = sf.Denoiser(lambda x, t: np.tile([1.0, 2, 3, 4], (len(x), 1)), LINEAR, 4)
    once = lambda clip: constant.sample(x_T=X_T, grid=np.array([500.0, 0]), clip=clip)[0]  # noqa: E731
    np.testing.assert_allclose(once(sf.DynamicThreshold(0.5)), [0.4, 0.8, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(once(sf.DynamicThreshold(0.5, largest=2)), [0.5, 1, 1, 1], rtol=1e-12)
    assert np.array_equal(once("dynamic"), once(sf.DynamicThreshold()))
    for words in ({"quantile": 0}, {"quantile": 1.1}, {"largest": 0.5}):
        with pytest.raises(ValueError, match=f"{next(iter(words))} must be a number"):
            sf.DynamicThreshold(**words)
