"""Samplers of SDEs, restarts and Langevin dynamics from Python: laws, marginals, defaults, what they refuse."""

import pickle

import numpy as np
import pytest
from sampler_cases import TRUTH

import scorefield as sf
from scorefield.samplers import AnnealedLangevin, EulerMaruyama, Heun, Langevin, PredictorCorrector, Restart
from scorefield.testing import check_sampler

ALL = [
    EulerMaruyama(),
    EulerMaruyama(0.5),
    PredictorCorrector(),
    PredictorCorrector("ancestral", corrector_steps=2, snr=0.1),
    PredictorCorrector(corrector_steps=0),
    Restart(),
    Restart(K=4, t_min=0.1, t_max=1.0, steps=5),
    AnnealedLangevin(inner=5),
]


@pytest.mark.parametrize("sampler", ALL, ids=repr)
def test_every_sampler_keeps_the_laws(sampler):
    check_sampler(sampler)


@pytest.mark.parametrize(
    "schedule",
    [
        sf.schedules.Linear(1000),
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
    """Weights of 2000 draws: 5 standard errors (0.056) and the bias of 150 steps."""
    exact = TRUTH.denoiser(schedule)
    for sampler in (EulerMaruyama(), EulerMaruyama(0), PredictorCorrector(), Restart()):
        x = exact.sample(2000, sampler=sampler, steps=150)
        assert np.abs(TRUTH.mode_weights(x) - TRUTH.weights).max() < 0.08, sampler


def test_annealed_langevin_goes_down_any_ladder():
    for schedule in (sf.schedules.Geometric(20, 0.05, 10.0), sf.schedules.VP(), sf.schedules.Linear(1000)):
        x = TRUTH.denoiser(schedule).sample(4000, sampler=AnnealedLangevin(inner=20), steps=20, grid="log_snr")
        assert np.abs(TRUTH.mode_weights(x) - TRUTH.weights).max() < 0.06, schedule


def test_samplers_are_constants():
    for sampler in [*ALL, Langevin(0.1), Langevin(0.1, t=0.5, metropolis=True)]:
        assert pickle.loads(pickle.dumps(sampler)) == sampler == eval(repr(sampler))
        assert hash(sampler) == hash(pickle.loads(pickle.dumps(sampler)))
        assert sampler.stochastic


def test_steps_by_default():
    ladder, cosine, vp = sf.schedules.Geometric(7, 0.1, 10.0), sf.schedules.Cosine(100), sf.schedules.VP()
    count = lambda schedule, sampler: len(sampler._times(schedule, None, None)) - 1  # noqa: E731
    assert [count(s, AnnealedLangevin()) for s in (ladder, cosine, vp)] == [7, 100, 1000]
    assert [count(s, EulerMaruyama()) for s in (ladder, cosine, vp)] == [7, 100, 1000]
    assert [count(s, PredictorCorrector()) for s in (ladder, cosine, vp)] == [7, 100, 1000]
    assert [count(s, Langevin(0.1)) for s in (ladder, cosine, vp)] == [1000] * 3


def test_noise_belongs_to_the_sample():
    """More samples, another split, another sampler or step count: sample i starts from the same numbers."""
    exact = TRUTH.denoiser("vp")
    for sampler in [*ALL, Langevin(0.01), Langevin(0.01, metropolis=True)]:
        run = lambda n, **rest: exact.sample(n, sampler=sampler, seed=5, trajectory=True, **rest).x  # noqa: B023, E731
        whole = run(30, steps=12)
        assert np.array_equal(np.concatenate([run(11, steps=12), run(19, start=11, steps=12)], axis=1), whole)
        assert np.array_equal(whole[:, :9], run(9, steps=12))
        assert np.array_equal(whole[0], run(30, steps=17)[0])


def test_restart_rewrites_the_grid():
    schedule = sf.schedules.EDM()
    times = Restart(K=2, t_min=0.1, t_max=0.8, steps=3)._times(schedule, None, np.array([80.0, 5.0, 0.5, 0.05, 0.0]))
    down = np.linspace(0.8 ** (1 / 7), 0.1 ** (1 / 7), 4) ** 7
    assert np.allclose(times, [80, 5, 0.5, 0.1, *down, *down, 0.05, 0], rtol=1e-12)
    exact = TRUTH.denoiser(schedule)
    path = exact.sample(5, sampler=Restart(), steps=10, trajectory=True)
    assert (np.diff(path.t) > 0).sum() == 2
    assert np.isnan(path.x0[np.diff(path.t) > 0]).all()


def test_restart_contracts_the_errors_made_before():
    """Started at twice the deviation that t_max wants, samples of N(0, 1) come out nearer to 1 than without."""
    exact = sf.GaussianMixture([[0.0]], stds=1.0).denoiser(sf.schedules.EDM())
    wrong = 2 * np.sqrt(1 + 9) * sf.normal((4000, 1), seed=1, dtype=np.float64)
    grid = np.array([3.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.0])
    plain = exact.sample(x_T=wrong, sampler=Heun(), grid=grid).std()
    mended = exact.sample(x_T=wrong, sampler=Restart(K=4, t_min=0.1, t_max=3.0, steps=6), grid=grid).std()
    assert plain > 1.9
    assert abs(mended - 1) < 0.05


def test_metropolis_keeps_the_weights_and_tells_what_it_accepted():
    """50 to 99 % accepted, and modes keep the weights they are started with, story 17."""
    truth = sf.GaussianMixture(means=[[-1.5, 0], [1.5, 0]], stds=[0.5, 0.7], weights=[0.4, 0.6])
    fresh = truth.sample(2000, seed=1)
    mala = Langevin(step_size=0.1, t=0.01, metropolis=True)
    path = truth.denoiser("vp").sample(x_T=fresh, sampler=mala, steps=200, trajectory=True)
    assert path.accepted.shape == (200, 2000)
    assert set(np.unique(path.accepted)) == {0, 1}
    assert 0.5 < path.accepted.mean() < 0.99
    assert np.abs(truth.mode_weights(path.x[-1]) - truth.mode_weights(fresh)).max() < 0.05
    moved = (np.diff(path.x, axis=0) != 0).any(axis=2)
    assert np.array_equal(moved, path.accepted == 1)
    rare = truth.denoiser("vp").sample(x_T=fresh, sampler=mala, steps=200, trajectory=True, every=60)
    assert rare.accepted.shape == (4, 2000)
    assert np.allclose(rare.accepted[3], path.accepted[180:].mean(0))
    assert truth.denoiser("vp").sample(4, steps=5, trajectory=True).accepted is None


def test_langevin_at_one_level_samples_it():
    """At t the density is that of x_t, and with labels that of a component: 5 standard errors."""
    schedule = sf.schedules.VP()
    exact = TRUTH.denoiser(schedule)
    at = schedule.at(0.4)
    mala = Langevin(step_size=0.3, t=0.4, metropolis=True)
    for k in range(3):
        x = exact.sample(2000, labels=k, sampler=mala, steps=100)
        spread = np.sqrt((at.alpha * TRUTH.stds[k]) ** 2 + at.sigma**2)
        assert np.allclose(x.mean(0), at.alpha * TRUTH.means[k], atol=5 * spread.max() / np.sqrt(2000))
        assert np.allclose(x.std(0), spread, rtol=5 / np.sqrt(2 * 2000))


def test_annealed_langevin_weighs_far_modes_and_plain_langevin_does_not():
    """Story 09, exact scores. 0.03 is 4.7 standard errors of 4000 draws; plain ends where the box halves the plane."""
    truth = sf.GaussianMixture(means=[[-5, -5], [5, 5]], stds=1.0, weights=[0.2, 0.8])
    ladder = sf.schedules.Geometric(20, sigma_min=0.1, sigma_max=20)
    exact = truth.denoiser(ladder)
    box = np.random.default_rng(0).uniform(-8, 8, (4000, 2))
    plain = exact.sample(x_T=box, sampler=Langevin(step_size=0.1), steps=1000, seed=0)
    annealed = exact.sample(4000, sampler=AnnealedLangevin(step_size=0.2, inner=100), seed=0)
    assert abs(truth.mode_weights(plain)[0] - 0.2) > 0.2
    assert abs(truth.mode_weights(annealed)[0] - 0.2) < 0.03
    assert np.allclose(annealed[truth.component(annealed) == 1].std(0), 1.0, atol=0.05)


@pytest.mark.parametrize("step_size", [0, 2, 2.5, -1])
def test_a_step_size_out_of_range_is_explained(step_size):
    text = r"step_size must be in \(0, 2\): at 2 the variance of a noise level is doubled, at 4 it is infinite; got "
    with pytest.raises(ValueError, match=text):
        AnnealedLangevin(step_size=step_size)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EulerMaruyama(1.5), r"eta must be a number in \[0, 1\], got 1.5"),
        (lambda: AnnealedLangevin(inner=0), "inner must be an integer in"),
        (lambda: AnnealedLangevin(step_size=float("nan")), "step_size must be"),
        (lambda: PredictorCorrector("euler"), "unknown predictor 'euler'. Known: reverse_diffusion, ancestral"),
        (lambda: PredictorCorrector(snr=1.0), r"snr must be a number in \(0, 1\)"),
        (lambda: PredictorCorrector(corrector_steps=-1), "corrector_steps must be an integer in"),
        (lambda: Restart(K=0), "K must be an integer in"),
        (lambda: Restart(t_min=0.5, t_max=0.3), "t_max must be a number > 0.5, got 0.3"),
        (lambda: Langevin(0), "step_size must be a number > 0"),
        (lambda: Langevin(0.1, t=-1), "t must be a number >= 0"),
        (lambda: sf.schedules.Geometric(5, sigma_min=0, sigma_max=1), "sigma_min"),
        (lambda: sf.schedules.Geometric(5, sigma_min=2, sigma_max=1), "sigma_min"),
        (lambda: sf.schedules.Geometric(5, sigma_min=1, sigma_max=1), "must satisfy 0 < sigma_min < sigma_max"),
        (lambda: sf.schedules.Geometric(5, sigma_min=0.1, sigma_max=float("inf")), "sigma_max must be a number"),
        (lambda: sf.schedules.Geometric(1, 0.1, 1.0), "T must be an integer in 2"),
        (lambda: sf.schedules.VE(0, 1), "must satisfy 0 < sigma_min < sigma_max, got 0 and 1"),
        (lambda: sf.schedules.Table(sigmas=[1.0, 0.5]), "sigmas must rise from above 0, but the one of t = 2 is 0.5"),
        (lambda: sf.schedules.Table(sigmas=[0.0, 0.5]), "sigmas must rise from above 0, but the one of t = 1 is 0"),
        (lambda: sf.schedules.Table(sigmas=[0.1, np.inf]), "sigmas holds 1 non-finite value"),
        (lambda: sf.schedules.Single(-0.1), "sigma must be a number >= 0"),
    ],
)
def test_bad_settings(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_what_a_model_cannot_do_is_said_before_it_is_tried():
    exact, callable_ = TRUTH.denoiser("vp"), sf.Denoiser(lambda x_t, t: 0 * x_t, "vp", shape=2)
    with pytest.raises(ValueError, match=r"stays at one time and takes no grid"):
        exact.sample(2, sampler=Langevin(0.1), grid="linspace")
    with pytest.raises(ValueError, match=r"t of Langevin.* must lie in 0\.\.1"):
        exact.sample(2, sampler=Langevin(0.1, t=3.0))
    with pytest.raises(ValueError, match=r"does not know its score at sigma = 0; .* such as t = 0.001"):
        callable_.sample(2, sampler=Langevin(0.1))
    with pytest.raises(ValueError, match=r"knows the score but not the density.*use Langevin with metropolis=False"):
        callable_.sample(2, sampler=Langevin(0.1, t=0.5, metropolis=True))
    with pytest.raises(ValueError, match=r"does not span Restart's interval 0.06\.\.0.3"):
        exact.sample(2, sampler=Restart(), grid=[1.0, 0.5])
    with pytest.raises(ValueError, match="lies below the least noise of the schedule"):
        TRUTH.denoiser(sf.schedules.VE(1.0, 50.0)).sample(2, sampler=Restart())
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'step_size'"):
        exact.sample(2, sampler="langevin")
    with pytest.raises(TypeError, match="metropolis must be True or False"):
        Langevin(0.1, metropolis="yes")
    with pytest.raises(sf.NonFiniteError, match=r"the log density, minus the energy, is -inf at t = 0.5, .* sample 1;"):
        exact.sample(x_T=np.array([[0.0, 0.0], [1e200, 0.0]]), sampler=Langevin(0.1, t=0.5, metropolis=True))
    with pytest.raises(sf.NonFiniteError, match="the state is not finite at step"):
        exact.sample(2, sampler=Langevin(100.0), steps=2000)


def test_a_ladder_for_data_follows_the_published_rules():
    """sigma_max is the largest distance; neighbours overlap by one half; all rungs together weigh two far modes."""
    x = 3 * sf.normal((50, 8, 8, 1), seed=0)
    ladder = sf.schedules.Geometric.for_data(x, sigma_min=0.05)
    flat = x.reshape(50, -1).astype(float)
    assert ladder.sigma_max == pytest.approx(np.linalg.norm(flat[:, None] - flat[None], axis=2).max(), rel=1e-6)
    ratio = (ladder.sigma_max / ladder.sigma_min) ** (1 / (ladder.T - 1))
    assert 1.3 < ratio < np.sqrt(128) / (np.sqrt(128) - 3)
    assert ladder.sigma_min == 0.05

    truth = sf.GaussianMixture([[-5, -5], [5, 5]], stds=1.0, weights=[0.2, 0.8])
    ladder = sf.schedules.Geometric.for_data(truth.sample(500, seed=1), sigma_min=0.1)
    sampler = AnnealedLangevin.for_ladder(ladder, inner=30)
    draws = truth.denoiser(ladder).sample(2000, sampler=sampler)
    assert abs(truth.mode_weights(draws)[0] - 0.2) < 0.05  # 5.6 standard errors


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: sf.schedules.Geometric.for_data([[0.0, 1.0]]), r"x must have shape \(n, \*shape\) with n >= 2"),
        (lambda: sf.schedules.Geometric.for_data([[0.0], [1.0]], sigma_min=2), "is not below the largest distance"),
        (lambda: sf.schedules.Geometric.for_data([[0.0], [np.nan]]), "non-finite"),
        (lambda: sf.schedules.Geometric.for_data([[0.0], [1.0]], sigma_min=0), "sigma_min must be a number > 0"),
        (lambda: AnnealedLangevin.for_ladder("geometri"), "unknown schedule 'geometri'"),
        (lambda: AnnealedLangevin.for_ladder(sf.schedules.VP()), "the ladder must be a schedule of T >= 2 sigmas"),
        (lambda: AnnealedLangevin.for_ladder(sf.schedules.Geometric(5, 0.1, 9.0), inner=0), "inner must be"),
    ],
)
def test_a_ladder_of_nonsense(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_ladder_of_the_wrong_kind():
    with pytest.raises(TypeError, match="x holds uint8 pixels; images are floats"):
        sf.schedules.Geometric.for_data(np.eye(4, dtype=np.uint8).reshape(1, 4, 4, 1).repeat(2, axis=0))
    with pytest.raises(TypeError, match=r"schedule must be a Schedule or one of the names .* got None"):
        AnnealedLangevin.for_ladder(None)


@pytest.mark.parametrize(
    ("grid", "text"),
    [
        ([1, 2, 3], "a time grid must fall, but entry 1 is 2 after 1"),
        ([5, 4, 4, 0], "a time grid must fall, but entry 2 is 4 after 4"),
        ([6, 3, 0], r"a time grid must lie in 0\.\.5, got 6 to 0"),
        ([5, np.nan, 0], "grid holds 1 non-finite value"),
    ],
)
def test_a_walk_down_the_ladder_must_go_down(grid, text):
    exact = TRUTH.denoiser(sf.schedules.Geometric(5, 0.1, 10.0))
    with pytest.raises(ValueError, match=text):
        exact.sample(2, sampler=AnnealedLangevin(inner=2), grid=grid)
