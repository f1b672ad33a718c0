"""What people will do first, in full: from data to pictures and back. Long versions train as long as it takes.

Thresholds are stated where they are asserted; "short" versions go the same way with small networks and promise less.
"""

import _thread
import itertools
import threading
import warnings

import numpy as np
import pytest
from sampler_cases import TRUTH, Midpoint
from schedule_cases import Quadratic

import scorefield as sf

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")

QUIET = {"progress": False}
LONG = pytest.mark.slow
DIGITS = (8, 8, 1)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    matplotlib.pyplot.close("all")


# ---- digits by class


@pytest.mark.parametrize(
    ("widths", "steps", "judged"),
    [((8, 16), 60, None), pytest.param((32, 64), 2000, 0.9, marks=LONG)],
    ids=["short", "long"],
)
def test_digits_on_demand(tmp_path, widths, steps, judged):
    """The wished digit is read in >= 90 % of the samples by a judge of real ones; a loaded model repeats the bytes."""
    x, labels = sf.datasets.digits("train")
    assert x.shape == (1437, *DIGITS)
    model = sf.Diffusion(sf.UNet(DIGITS, widths=widths, classes=10), sf.schedules.Cosine(1000), prediction="v")
    model.fit(x, labels, steps=steps, batch_size=64, lr=2e-3, seed=0, **QUIET)
    assert f"{steps} steps" in str(model)
    losses = model.history.loss
    assert losses[-1] < losses[0] or steps < 100

    wish = np.resize(np.arange(10), 100)
    images = model.sample(100, labels=wish, guidance=2.0, steps=20, seed=1)
    assert images.shape == (100, *DIGITS)
    sf.plot.grid(images, columns=10).savefig(tmp_path / "digits.png")
    assert (tmp_path / "digits.png").stat().st_size > 1000

    model.save(tmp_path / "digits.safetensors")
    again = sf.load(tmp_path / "digits.safetensors").sample(10, labels=wish[:10], guidance=2.0, steps=20, seed=1)
    assert np.array_equal(
        again, images[:10]
    )  # a sample depends on (seed, its index), not on how many are drawn with it
    if judged is not None:
        judge = sf.Classifier(sf.Encoder(DIGITS, widths=widths, out=10)).fit(x, labels, steps=1000, **QUIET)
        assert judge.accuracy(*sf.datasets.digits("test")) > 0.95
        assert judge.accuracy(images, wish) >= judged


# ---- the plane


@pytest.mark.parametrize(
    ("make", "widths", "steps", "near"),
    [
        (sf.datasets.moons, (64, 64), 4000, 0.15),
        pytest.param(sf.datasets.moons, (128, 128, 128), 6000, 0.10, marks=LONG),
        pytest.param(sf.datasets.swiss_roll, (128, 128, 128), 6000, 0.10, marks=LONG),
    ],
    ids=["moons, short", "moons", "swiss roll"],
)
def test_shapes_in_the_plane(make, widths, steps, near):
    """Samples are nearer to fresh data (sliced Wasserstein) than a Gaussian: 0.25 for moons, 0.21 for the roll."""
    x, _ = make(4000, seed=0)
    fresh, _ = make(2000, seed=1)
    model = sf.Diffusion(sf.MLP(2, widths=widths), sf.schedules.VP())
    model.fit(x, steps=steps, batch_size=256, lr=1e-3, seed=0, **QUIET)

    path = model.sample(2000, steps=50, seed=2, trajectory=True)
    assert (path.t.shape, path.x.shape, path.x0.shape) == ((51,), (51, 2000, 2), (50, 2000, 2))
    samples = path.x[-1]
    assert np.array_equal(samples, model.sample(2000, steps=50, seed=2))
    sf.plot.trajectory(path, count=100)
    sf.plot.score_field(model, t=0.1, data=x)

    bell = np.random.default_rng(0).multivariate_normal(x.mean(0), np.cov(x.T), 2000)
    assert sf.metrics.sliced_wasserstein(bell, fresh) > 0.15
    assert sf.metrics.sliced_wasserstein(samples, fresh) <= near


# ---- schedules


def test_noise_schedules_with_open_eyes():
    linear, cosine = sf.schedules.Linear(1000), sf.schedules.Cosine(1000)
    ends = {linear: 4.036e-5, sf.schedules.ScaledLinear(1000): 4.660e-3, cosine: 2.429e-9}
    for schedule, end in ends.items():
        assert np.isclose(schedule.alpha_bar(1000), end, rtol=1e-3)
        assert "terminal snr" in str(schedule.diagnose())
    assert cosine.diagnose().clipped_betas == 1
    halves = [s.time_of(log_snr=0.0) / 1000 for s in ends]
    np.testing.assert_allclose(halves, [0.26, 0.35, 0.50], atol=5e-3)
    mine = sf.schedules.Table(betas=np.linspace(1e-4, 0.02, 1000) ** 1.1)
    sf.plot.schedule({"linear": linear, "mine": mine, "VP": sf.schedules.VP()})
    assert (linear.alpha(0), linear.sigma(0)) == (1, 0)
    with pytest.warns(sf.ScheduleWarning):
        short = sf.schedules.Linear(100)  # the betas of 1000 steps are too small for 100
    assert np.isclose(short.alpha_bar(100), 0.364, atol=1e-3)
    assert short.zero_terminal_snr().alpha(100) == 0
    digit = sf.datasets.digits("test")[0][:1]
    times = np.linspace(0, 1000, 9)
    frames = [linear.add_noise(digit, t, seed=0)[0] for t in times]
    assert np.array_equal(frames[0], digit[0])
    sf.plot.strip(frames, titles=times)
    chain = linear.forward(digit, times, seed=0)
    assert chain.x.shape == (9, 1, *DIGITS)
    sf.plot.strip(chain.x[:, 0], titles=chain.t)


# ---- models from anywhere


def test_any_callable_is_a_denoiser():
    mean, std = np.array([1.0, -2.0]), 0.5
    schedule = sf.schedules.Linear(1000)

    def eps(x_t, t):
        alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
        return sigma * (x_t - alpha * mean) / (alpha**2 * std**2 + sigma**2)

    mine = sf.Denoiser(eps, schedule, shape=2, prediction="eps")
    built_in = sf.GaussianMixture(mean[None], stds=std).denoiser(schedule)
    x_T = sf.normal((256, 2), seed=0, dtype=np.float64)
    for sampler in (sf.samplers.DDIM(), sf.samplers.DPMSolverPP(2), sf.samplers.Ancestral()):
        a, b = (d.sample(x_T=x_T, sampler=sampler, steps=50, seed=1) for d in (mine, built_in))
        np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(ValueError, match=r"\(4, 1\) for x_t of shape \(4, 2\)"):
        sf.Denoiser(lambda x_t, t: x_t[:, :1], schedule, shape=2).sample(4)


def test_a_pytorch_module_is_a_denoiser():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.SiLU(), torch.nn.Linear(64, 2))

    def call(x_t, t):
        return module(torch.cat([torch.from_numpy(x_t), torch.from_numpy(t)[:, None] / 1000], 1).float())

    with torch.inference_mode():
        drawn = sf.Denoiser(call, sf.schedules.Linear(1000), shape=2).sample(16, sampler="dpm_solver_pp", steps=10)
    assert drawn.shape == (16, 2)


# ---- DDPM and DDIM


def test_few_steps_want_ddim_and_three_samplers_are_one():
    """Sliced Wasserstein to the exact mixture at 10 steps: 0.14 for DDIM, 0.19 for eta = 1."""
    from scorefield.samplers import DDIM, Ancestral, EulerAncestral

    exact = TRUTH.denoiser(sf.schedules.Linear(1000))
    target = TRUTH.sample(20_000, seed=9)
    for steps in (5, 10, 20):
        near, far = (
            sf.metrics.sliced_wasserstein(exact.sample(20_000, sampler=DDIM(eta), steps=steps, **QUIET), target)
            for eta in (0, 1)
        )
        assert near < far
        if steps == 10:
            assert near == pytest.approx(0.14, abs=0.02)
            assert far == pytest.approx(0.19, abs=0.02)
    one = [
        exact.sample(100, sampler=s, steps=50, seed=3)
        for s in (DDIM(eta=1.0), Ancestral("beta_tilde"), EulerAncestral())
    ]
    np.testing.assert_allclose(one[1], one[0], atol=1e-5)
    np.testing.assert_allclose(one[2], one[0], atol=1e-5)


@pytest.mark.parametrize("size", ["short", pytest.param("long", marks=LONG)])
def test_there_and_back_again(size):
    """x -> noise -> x: the mean squared error falls at least 3 times when the steps double twice."""
    long = size == "long"
    x, _ = sf.datasets.digits("train")
    test = sf.datasets.digits("test")[0][: 360 if long else 40]
    net = sf.UNet(DIGITS, widths=(32, 64) if long else (8, 16))
    model = sf.Diffusion(net, sf.schedules.Linear(1000)).fit(x, steps=3000 if long else 150, lr=2e-3, **QUIET)
    errors = []
    for steps in (25, 50, 100):
        ends = model.invert(test, steps=steps, **QUIET)
        back = model.sample(x_T=ends, sampler="ddim", steps=steps, **QUIET)
        errors.append(np.mean((back - test) ** 2))
    assert errors[0] > 3 * errors[2]
    between = sf.slerp(ends[0], ends[1], np.linspace(0, 1, 9))
    assert model.sample(x_T=between, sampler="ddim", steps=10, **QUIET).shape == (9, *DIGITS)
    if long:
        few = {
            s: sf.metrics.energy_distance(model.sample(360, sampler=s, steps=10, **QUIET), test)
            for s in ("ddim", "ancestral")
        }
        assert few["ddim"] < few["ancestral"]


# ---- one network, many readings


def test_all_readings_are_one():
    kinds = ("x0", "eps", "score", "v", "flow")
    schedule = sf.schedules.VP()
    rng = np.random.default_rng(0)
    x0, noise, t = rng.normal(size=(64, 2)), rng.normal(size=(64, 2)), rng.uniform(0.05, 1, 64)
    x_t = schedule.add_noise(x0, t, noise)
    for a, b in itertools.product(kinds, kinds):
        y = sf.convert(noise, x_t, t, schedule, source="eps", target=a)
        there = sf.convert(y, x_t, t, schedule, source=a, target=b)
        np.testing.assert_allclose(sf.convert(there, x_t, t, schedule, source=b, target=a), y, rtol=1e-12, atol=1e-12)
    truth = sf.GaussianMixture(means=[[-2, 0], [2, 0]], stds=0.4)
    exact = truth.denoiser(sf.schedules.VE(0.01, 20))
    sigma = exact.schedule.sigma(t)[:, None]
    x_t = exact.schedule.add_noise(truth.sample(64, seed=1), t, noise)
    np.testing.assert_allclose(x_t + sigma**2 * exact.score(x_t, t), exact.denoise(x_t, t), atol=1e-10)  # theory (13)
    with pytest.raises(ValueError, match="v"):
        sf.Diffusion(sf.MLP(2), sf.schedules.Linear(1000).zero_terminal_snr(), prediction="eps")


@pytest.mark.parametrize("size", ["short", pytest.param("long", marks=LONG)])
def test_models_of_eps_x0_and_v_agree(size):
    """On x0_hat at mid noise, within a tenth of the data's variance (short: a third)."""
    long = size == "long"
    x, _ = sf.datasets.digits("train")
    test, _ = sf.datasets.digits("test")
    cosine = sf.schedules.Cosine(1000)
    x_t = cosine.add_noise(test, 500, seed=0)
    hats = []
    for kind in ("eps", "x0", "v"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sf.ScheduleWarning)  # eps on Cosine needs clipping to sample
            model = sf.Diffusion(sf.UNet(DIGITS, widths=(32, 64) if long else (8, 16)), cosine, prediction=kind)
        hats.append(
            model.fit(x, steps=2000 if long else 80, lr=2e-3 if long else 5e-3, ema=0.99, **QUIET).denoise(x_t, 500)
        )
    for a, b in itertools.combinations(hats, 2):
        assert np.mean((a - b) ** 2) < (0.1 if long else 0.33) * test.var()


# ---- training that survives


SIZES = pytest.mark.parametrize(
    ("widths", "scale"), [((8, 8), 10), pytest.param((32, 64), 1, marks=LONG)], ids=["short", "long"]
)


def new_digits(widths):
    return sf.Diffusion(sf.UNet(DIGITS, widths=widths, seed=0), sf.schedules.Cosine(1000), prediction="v")


@SIZES
def test_training_that_survives(tmp_path, widths, scale):
    """Stopped at 350 of 600 (short: tenths), gone on from the folder in a new object: every weight is the same."""
    x, _ = sf.datasets.digits("train")
    stop, end, every = 350 // scale, 600 // scale, 50 // scale
    whole = new_digits(widths).fit(x, steps=end, seed=0, **QUIET)
    run = sf.Run(tmp_path / "digits", every=100 // scale, keep=3)
    new_digits(widths).fit(
        x, steps=end, seed=0, run=run, every=every, callback=lambda event: event.step == stop, **QUIET
    )
    assert run.steps()[-1] == stop
    resumed = sf.load(tmp_path / "digits").fit(x, steps=end, seed=0, run=run, **QUIET)
    assert resumed.step == end
    assert np.array_equal(resumed.net.theta, whole.net.theta)
    assert np.array_equal(resumed.sample(4, steps=10, seed=1), whole.sample(4, steps=10, seed=1))
    assert len(run.steps()) == 3
    parts = new_digits(widths).fit(x, steps=end // 3, seed=0, **QUIET).fit(x, steps=end - end // 3, seed=0, **QUIET)
    assert np.array_equal(parts.net.theta, whole.net.theta)


@SIZES
def test_an_interrupted_training_leaves_a_model_that_samples(widths, scale):
    x, _ = sf.datasets.digits("train")
    model = new_digits(widths)
    threading.Timer(1.0, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, steps=1_000_000, **QUIET)
    assert model.step > 0
    assert np.isfinite(model.sample(4, steps=10)).all()


@SIZES
def test_training_that_is_watched_and_goes_back_from_nonsense(widths, scale):
    """Stopped by the loss on held-out digits; then neither a NaN among the data nor a mad rate spoils the model."""
    x, _ = sf.datasets.digits("train")
    test, _ = sf.datasets.digits("test")
    _, ax = matplotlib.pyplot.subplots()
    best, model = np.inf, new_digits(widths)
    for event in model.fit_iter(
        x, steps=3000 // scale // scale, lr=2e-3, validation=test, every=100 // scale, seed=0, **QUIET
    ):
        sf.plot.history(model.history, ax=ax)
        if event.validation_loss > 1.2 * best:
            break
        best = min(best, event.validation_loss)
    assert model.evaluate(test).loss == model.evaluate(test).loss == event.validation_loss
    assert model.evaluate(test).bands.shape == (10,)

    bad = x.copy()
    bad[7, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"x holds 1 non-finite value, first at \[7, 0, 0, 0\]"):
        model.fit(bad, steps=10)
    step = model.step
    with pytest.raises(sf.NonFiniteError, match=rf"at step \d+; the model is back at step {step}; lower lr \(1e\+30\)"):
        model.fit(x, steps=1000, lr=1e30, **QUIET)
    assert np.isfinite(model.sample(4, steps=10)).all()
    assert np.abs(model.net.theta).max() < 1e3


# ---- samplers, schedules and losses of one's own


class Huber(sf.Loss):
    def __call__(self, y, target, level):
        r = y - target
        value = np.where(abs(r) < 1, 0.5 * r**2, abs(r) - 0.5)
        return value.reshape(len(r), -1).mean(1), np.clip(r, -1, 1) / r[0].size


def test_laws_for_what_users_write():
    sf.testing.check_sampler(Midpoint())  # measures order 2 among others
    sf.testing.check_schedule(Quadratic())
    sf.testing.check_loss(Huber())


@pytest.mark.parametrize(
    ("widths", "words", "near"),
    [
        ((64, 64), {"steps": 600, "lr": 3e-3, "ema": 0.99}, 0.2),
        pytest.param((128, 128, 128), {"steps": 3000}, 0.12, marks=LONG),
    ],
    ids=["short", "long"],
)
def test_schedule_loss_and_sampler_of_ones_own_train_and_sample(widths, words, near):
    """Near to fresh moons (a Gaussian: 0.25) by the own sampler; every other one runs on the own schedule as well."""
    x, _ = sf.datasets.moons(4000)
    fresh, _ = sf.datasets.moons(2000, seed=1)
    model = sf.Diffusion(sf.MLP(2, widths=widths), Quadratic()).fit(x, loss=Huber(), **words, **QUIET)
    for sampler in (Midpoint(), "dpm_solver_pp", "ddim"):
        assert sf.metrics.sliced_wasserstein(model.sample(2000, sampler=sampler, steps=20, **QUIET), fresh) < near
    for sampler in ("ancestral", "heun", "renoise"):
        assert np.isfinite(model.sample(50, sampler=sampler, steps=20, **QUIET)).all()


def test_a_training_loop_by_hand():
    """Forward, backward and optimiser bring the eps-loss from about 1 to below 0.6."""
    x, _ = sf.datasets.moons(256)
    schedule, net, adam = Quadratic(), sf.MLP(2, widths=(64, 64)), sf.optim.Adam(lr=1e-3)
    assert sf.gradcheck(net) < 1e-6
    theta, state, losses = net.theta, adam.init(net.theta), []
    for step in range(500):
        noise, t = sf.normal((256, 2), seed=step), np.random.default_rng(step).uniform(0.01, 0.99, 256)
        y, tape = net.forward(schedule.add_noise(x, t, noise), t, theta=theta)
        _, dtheta = net.backward(tape, 2 * (y - noise) / noise.size)
        theta, state = adam.step(theta, dtheta, state)
        losses.append(np.mean((y - noise) ** 2))
    assert losses[0] > 0.9
    assert losses[-1] < 0.6
