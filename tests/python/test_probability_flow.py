"""The probability-flow ODE as a sampler: it finds the data, runs both ways, and fits the loop."""

import pickle

import numpy as np
import pytest
from sampler_cases import TRUTH

import scorefield as sf
from scorefield.samplers import ProbabilityFlow
from scorefield.testing import check_sampler


@pytest.mark.parametrize("form", ["angle", "time"])
def test_it_keeps_the_laws_of_samplers(form):
    check_sampler(ProbabilityFlow(form=form))


def test_it_is_a_constant():
    flow = ProbabilityFlow(rtol=1e-6, form="time")
    assert pickle.loads(pickle.dumps(flow)) == flow
    assert eval(repr(flow)) == flow
    assert sf.samplers.resolve_sampler("probability_flow") == ProbabilityFlow(1e-5, 1e-5)
    assert not flow.stochastic
    for wrong, text in (({"rtol": 0}, "rtol must be"), ({"atol": 1}, "atol must be"), ({"form": "x"}, "unknown form")):
        with pytest.raises(ValueError, match=text):
            ProbabilityFlow(**wrong)


@pytest.mark.parametrize(
    "schedule",
    [
        sf.schedules.VP(),
        sf.schedules.VE(0.01, 500),
        sf.schedules.RectifiedFlow(),
        sf.schedules.EDM(),
        sf.schedules.Cosine(1000),
        sf.schedules.Linear(1000).zero_terminal_snr(),
        sf.schedules.Geometric(200, 0.01, 50.0),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_it_finds_the_mixture_on_every_schedule(schedule):
    """Weights of 4000 draws: 5 standard errors (0.04). One step of the grid, whatever the schedule."""
    exact = TRUTH.denoiser(schedule)
    events = list(exact.sample_iter(4000, sampler=ProbabilityFlow(1e-4, 1e-4), seed=2))
    assert len(events) == 1
    assert np.abs(TRUTH.mode_weights(events[0].x) - TRUTH.weights).max() < 0.04


def test_the_times_of_a_trajectory_do_not_change_its_end():
    exact = TRUTH.denoiser(sf.schedules.VP())
    whole = exact.sample(50, sampler=ProbabilityFlow(1e-7, 1e-7))
    path = exact.sample(50, sampler=ProbabilityFlow(1e-7, 1e-7), steps=20, trajectory=True)
    assert path.x.shape == (21, 50, 2)
    assert np.abs(path.x[-1] - whole).max() < 1e-3  # samples between modes enlarge 1e-7 most
    assert np.median(np.abs(path.x[-1] - whole)) < 1e-5


def test_it_is_what_heun_tends_to():
    exact = TRUTH.denoiser(sf.schedules.VP())
    x_T = sf.normal((200, 2), seed=1, dtype=np.float64)
    grid = sf.grids.LogSNR(t_end=0.01)(exact.schedule, 512)
    fine = exact.sample(x_T=x_T, sampler="heun", grid=grid)
    assert np.median(np.abs(exact.sample(x_T=x_T, sampler=ProbabilityFlow(), grid=[1.0, 0.01]) - fine)) < 1e-4


def test_encoding_and_decoding_along_the_ode_is_the_identity():
    exact = TRUTH.denoiser(sf.schedules.VP())
    x = TRUTH.sample(100, seed=4).astype(np.float64)
    for tolerance in (1e-5, 1e-8):
        flow = ProbabilityFlow(tolerance, tolerance)
        x_T = exact.invert(x, sampler=flow)
        assert np.median(np.abs(exact.sample(x_T=x_T, sampler=flow) - x)) < 10 * tolerance
    middle = exact.sample(x_T=sf.slerp(x_T[0], x_T[1], [0.0, 0.5, 1.0]), sampler=flow)
    assert np.allclose(middle[[0, 2]], x[:2], atol=1e-5)
    assert np.isfinite(middle).all()
    with pytest.raises(ValueError, match="has no way upwards; inversion takes 'ddim'"):
        exact.invert(x, sampler="ancestral")
