"""Samplers from Python: the law suite, samplers of one's own, names, and every schedule with every sampler."""

import pickle
from math import inf  # noqa: F401 - in the repr of Heun

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_cases import TRUTH, Midpoint

import scorefield as sf
from scorefield.samplers import (
    DDIM,
    DEIS,
    DPM2,
    LMS,
    PNDM,
    Ancestral,
    DPMSolver,
    DPMSolverPP,
    Euler,
    EulerAncestral,
    Heun,
    Renoise,
    UniPC,
)
from scorefield.testing import check_sampler

ALL = [
    Ancestral(),
    Ancestral("beta"),
    DDIM(),
    DDIM(0.5),
    DDIM(1.0),
    DPMSolverPP(1),
    DPMSolverPP(2),
    DPMSolverPP(3),
    Renoise(),
    Heun(),
    Heun(S_churn=20),
    Heun(form="time"),
    DPM2(),
    DPM2(ancestral=True),
    DPMSolver(1),
    DPMSolver(2),
    DPMSolver(3),
    DPMSolver(2, variant="multistep", lower_order_final=1),
    DPMSolver(3, variant="multistep"),
    DPMSolverPP(2, solver="heun"),
    DPMSolverPP(2, variant="singlestep"),
    DPMSolverPP(3, variant="singlestep"),
    DPMSolverPP(2, variant="singlestep", between="grid"),
    DPMSolverPP(3, variant="singlestep", between="grid", solver="heun"),
    DPMSolver(3, variant="singlestep", between="grid", lower_order_final=1),
    UniPC(2, predicts="noise"),
    UniPC(3, "bh1", predicts="noise", uncorrected=(0, 3)),
    UniPC(2, uncorrected="all"),
    DPMSolverPP(2, stochastic=True),
    DPMSolverPP(3, stochastic=True),
    DPMSolverPP(2, variant="singlestep", stochastic=True),
    LMS(1),
    LMS(2),
    LMS(3),
    LMS(4),
    LMS(4, last="method"),
    PNDM(),
    PNDM("heun", last="method"),
    DEIS(1),
    DEIS(2),
    DEIS(3),
    DEIS(3, polynomial="log_rho"),
    UniPC(1),
    UniPC(2),
    UniPC(3),
    UniPC(2, "bh1", lower_order_final=1),
]


class TwoStep(sf.Sampler):
    """DPM-Solver++ 2M written with `past`."""

    order, history = 2, 1

    def step(self, k):
        if k.s.sigma == 0:
            return k.s.alpha * k.x0
        h = k.s.half_log_snr - k.t.half_log_snr
        d = k.x0
        if k.past:
            (before, x0) = k.past[0]
            d = d + h / (k.t.half_log_snr - before.half_log_snr) / 2 * (k.x0 - x0)
        return k.s.sigma / k.t.sigma * k.x - k.s.alpha * np.expm1(-h) * d


class OwnAncestral(sf.Sampler):
    """DDIM(eta = 1) written with `noise`."""

    stochastic = True

    def step(self, k):
        ratio = k.t.alpha * k.s.sigma / (k.s.alpha * k.t.sigma)
        eps = (k.x - k.t.alpha * k.x0) / k.t.sigma
        return k.s.alpha * k.x0 + k.s.sigma * (ratio * eps + np.sqrt(1 - ratio**2) * k.noise())


@pytest.mark.parametrize("sampler", [*ALL, Midpoint(), TwoStep(), OwnAncestral()], ids=repr)
def test_every_sampler_keeps_the_laws(sampler):
    check_sampler(sampler)


class Broken(sf.Sampler):
    """An Euler step with one thing wrong."""

    def __init__(self, what):
        self.what, self.kept = what, 0.0

    order = property(lambda self: 2 if self.what == "order" else 1)
    calls = property(lambda self: 2 if self.what == "calls" else 1)
    stochastic = property(lambda self: self.what == "seed")

    def step(self, k):
        x0 = 0.9 * k.x0 if self.what == "end" and k.s.sigma == 0 else k.x0
        x_s = k.s.alpha * x0 + k.s.sigma * (k.x - k.t.alpha * x0) / k.t.sigma
        if self.what == "state":
            self.kept += 1e-3
            x_s = x_s + self.kept * k.s.sigma
        if self.what == "batch":
            x_s = x_s + k.s.sigma * k.x.mean()
        return x_s + 0.1 * k.s.sigma if self.what == "length" else x_s


@pytest.mark.parametrize(
    ("what", "law"),
    [
        ("order", r"order is 2, measured (0\.9|1\.0)"),
        ("calls", "calls is 2, but 5 steps asked 5 times"),
        ("seed", "another seed gives the same"),
        ("end", "must give alpha_s x0_hat"),
        ("state", "keep nothing of a run"),
        ("batch", "bytes of the whole"),
        ("length", "must be the identity"),
    ],
)
def test_the_law_suite_finds_what_is_wrong(what, law):
    with pytest.raises(AssertionError, match=law):
        check_sampler(Broken(what))


def test_a_sampler_in_python_gives_what_the_core_gives():
    exact = TRUTH.denoiser(sf.schedules.VP())
    x_T = sf.normal((50, 2), seed=1, dtype=np.float64)
    for own, core in ((TwoStep(), DPMSolverPP(2)), (OwnAncestral(), DDIM(1.0))):
        a, b = (exact.sample(x_T=x_T, sampler=s, steps=20, grid="log_snr") for s in (own, core))
        assert np.allclose(a, b, atol=1e-11)  # rounding of 20 steps


def test_samplers_see_the_shape_of_a_sample_and_forget_the_step():
    kept = []

    class Looks(sf.Sampler):
        def step(self, k):
            assert k.x.shape == k.noise().shape == k.score(k.x, k.t).shape == (3, 2, 2, 1)
            assert np.allclose(k.score(k.x, k.t), (k.t.alpha * k.x0 - k.x) / k.t.sigma**2)
            kept.append(k)
            return k.s.alpha * k.x0

    mixture = sf.GaussianMixture(np.zeros((1, 2, 2, 1)), stds=1.0)
    mixture.denoiser(sf.schedules.VP()).sample(3, sampler=Looks(), steps=2)
    with pytest.raises(ValueError, match="only while step"):
        kept[0].denoise(np.zeros((3, 2, 2, 1)), 0.5)

    class Wrong(sf.Sampler):
        def step(self, k):
            return k.x[:, 0]

    with pytest.raises(ValueError, match=r"x_s from Wrong.step must have shape \(3, 2, 2, 1\), got \(3, 2, 1\)"):
        mixture.denoiser(sf.schedules.VP()).sample(3, sampler=Wrong(), steps=2)
    with pytest.raises(NotImplementedError, match="must define step"):
        mixture.denoiser(sf.schedules.VP()).sample(3, sampler=sf.Sampler(), steps=2)


def test_ddim_at_eta_one_the_ancestral_and_the_euler_ancestral_sampler_are_one():
    exact = TRUTH.denoiser(sf.schedules.Linear(1000))
    same = [exact.sample(100, sampler=s, steps=50, seed=3) for s in (DDIM(1.0), Ancestral(), EulerAncestral())]
    assert np.allclose(same, same[0], atol=1e-5)
    assert Euler() == DDIM(0.0)


@settings(max_examples=25, deadline=None)
@given(t=st.integers(2, 1000), back=st.integers(1, 999), seed=st.integers(0, 999))
def test_one_ancestral_step_has_the_posterior_of_the_schedule(t, back, seed):
    """For data in one point x0_hat is that point, so x_s is drawn from q(x_s | x_t, x0), theory (6), (7)."""
    schedule, s = sf.schedules.Linear(1000), max(1, t - back)
    point = sf.GaussianMixture([[0.5]], stds=0.0).denoiser(schedule)
    x_t = np.full((4000, 1), -0.3)
    x_s = point.sample(x_T=x_t, sampler="ancestral", grid=[t, s], seed=seed)
    mean, variance = schedule.posterior(x_t, np.full_like(x_t, 0.5), t, s)
    assert abs(x_s.mean() - mean[0, 0]) < 5.5 * np.sqrt(variance / 4000)
    assert abs(x_s.var() - variance) < 5.5 * variance * np.sqrt(2 / 4000)


def test_few_steps_favour_ddim():
    """Story 06: the sorted projections on 32 directions, a sliced Wasserstein distance, at 10 steps."""
    truth = TRUTH
    exact, target = truth.denoiser(sf.schedules.Linear(1000)), truth.sample(20_000, seed=9)
    directions = np.stack([np.cos(a := np.linspace(0, np.pi, 32, endpoint=False)), np.sin(a)])

    def distance(eta):
        x = exact.sample(20_000, sampler=DDIM(eta), steps=10)
        return np.sqrt(((np.sort(x @ directions, 0) - np.sort(target @ directions, 0)) ** 2).mean())

    assert distance(0.0) < 0.9 * distance(1.0)


def test_every_sampler_finds_the_mixture():
    """Weights and mean of 20 000 draws: 5 standard errors, and what the steps leave (Renoise is for few)."""
    truth, n = TRUTH, 20_000
    exact, mean = truth.denoiser(sf.schedules.VP()), truth.weights @ truth.means
    for sampler, steps in (
        (Ancestral(), 200),
        (DDIM(), 100),
        (DDIM(0.5), 100),
        (DPMSolverPP(2), 40),
        (DPMSolverPP(3), 40),
    ):
        x = exact.sample(n, sampler=sampler, steps=steps, grid="log_snr")
        assert np.abs(truth.mode_weights(x) - truth.weights).max() < 0.02, sampler
        assert np.abs(x.mean(0) - mean).max() < 5 * np.sqrt(3 / n) + 0.03, sampler
        spread = [x[truth.component(x) == k].std(0).mean() for k in range(3)]
        assert np.allclose(spread, truth.stds[:, 0], rtol=0.06), sampler


@pytest.mark.parametrize(
    "schedule",
    [
        sf.schedules.Linear(1000),
        sf.schedules.Cosine(1000),
        sf.schedules.Linear(1000).zero_terminal_snr(),
        sf.schedules.SubVP(),
        sf.schedules.VE(),
        sf.schedules.EDM(),
        sf.schedules.RectifiedFlow(),
        sf.schedules.Geometric(200, 0.01, 50.0),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_every_schedule_carries_every_sampler(schedule):
    truth = TRUTH
    exact = truth.denoiser(schedule)
    for sampler in (DPMSolverPP(2), DPMSolverPP(3), DDIM(), Ancestral(), Heun()):
        x = exact.sample(4000, sampler=sampler, steps=100)
        assert np.isfinite(x).all()
        # 5 standard errors of a weight (0.04) and the bias of 100 steps
        assert np.abs(truth.mode_weights(x) - truth.weights).max() < 0.06, sampler


def test_samplers_are_constants():
    for sampler in ALL:
        assert pickle.loads(pickle.dumps(sampler)) == sampler
        assert hash(sampler) == hash(pickle.loads(pickle.dumps(sampler)))
        assert eval(repr(sampler)) == sampler
    with pytest.raises(AttributeError):
        DDIM().eta = 1.0
    with pytest.raises(ValueError, match="eta must be a number in"):
        DDIM(1.5)
    with pytest.raises(ValueError, match=r"order must be an integer in 1\.\.3"):
        DPMSolverPP(4)
    with pytest.raises(ValueError, match="needs a model with learn_variance"):
        TRUTH.denoiser("vp").sample(1, sampler=Ancestral("learned"))
    with pytest.raises(ValueError, match="unknown sampler 'eulr'; did you mean 'euler'"):
        TRUTH.denoiser("vp").sample(1, sampler="eulr")
    with pytest.raises(TypeError, match="sampler must be a Sampler"):
        TRUTH.denoiser("vp").sample(1, sampler=3)
