"""Stochastic samplers on data whose truth is known, at the step counts that people use; learned scores at last. Slow.

The core holds mean, covariance and weights of every one of them to Monte-Carlo bounds; here are 20 000 draws.
"""

import numpy as np
import pytest
from sampler_cases import TRUTH

import scorefield as sf
from scorefield import samplers as S  # noqa: N812

QUIET = {"progress": False}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        (S.Ancestral(), 500),
        (S.DDIM(eta=1.0), 500),
        (S.EulerMaruyama(), 1000),
        (S.DPMSolverPP(2, stochastic=True), 100),
        (S.Heun(S_churn=20), 100),
        (S.Restart(), 100),
        (S.PredictorCorrector(), 500),
    ],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
def test_every_sampler_finds_the_modes(sampler, steps):
    """Weights within 0.02: 5.6 standard errors of 20 000 draws."""
    x = TRUTH.denoiser("vp").sample(20_000, sampler=sampler, steps=steps, seed=1, **QUIET)
    assert np.abs(TRUTH.mode_weights(x) - TRUTH.weights).max() < 0.02
    assert sf.metrics.energy_distance(x[:4000], TRUTH.sample(4000, seed=2)) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [sf.schedules.VP(), sf.schedules.SubVP(), sf.schedules.VE(0.01, 500)], ids=repr)
def test_samplers_of_the_continuous_view_agree(schedule):
    """Weights within 0.03: 6 standard errors of 10 000 draws."""
    exact = TRUTH.denoiser(schedule)
    for sampler, steps in ((S.EulerMaruyama(), 1000), (S.PredictorCorrector(snr=0.16), 500), (S.Heun(), 64)):
        x = exact.sample(10_000, sampler=sampler, steps=steps, **QUIET)
        assert np.abs(TRUTH.mode_weights(x) - TRUTH.weights).max() < 0.03, sampler


@pytest.mark.slow
def test_a_learned_ncsn_weighs_far_modes_and_plain_langevin_with_its_score_does_not():
    """Small mode 0.20: within 0.05 down the ladder, off by more than 0.2 at its lowest level from a uniform box."""
    truth = sf.GaussianMixture(means=[[-5, -5], [5, 5]], stds=1.0, weights=[0.2, 0.8])
    ladder = sf.schedules.Geometric(20, sigma_min=0.1, sigma_max=20)
    ncsn = sf.Diffusion(sf.MLP(2, widths=(128, 128, 128)), ladder, prediction="score")
    ncsn.fit(truth.sample(20_000, seed=1), steps=20_000, batch_size=256, lr=1e-3, **QUIET)  # lambda(sigma) = sigma^2
    learned = ncsn.sample(4000, sampler=S.AnnealedLangevin(step_size=0.2, inner=100), seed=0, **QUIET)
    assert abs(truth.mode_weights(learned)[0] - 0.2) < 0.05
    box = np.random.default_rng(0).uniform(-8, 8, (4000, 2))
    plain = ncsn.sample(x_T=box, sampler=S.Langevin(step_size=0.1, t=1), steps=1000, seed=0, **QUIET)
    assert abs(truth.mode_weights(plain)[0] - 0.2) > 0.2
