"""Denoisers: answers at (x_t, t), wrapped callables, what is refused and how."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scorefield as sf

MEAN, STD = np.array([1.0, -2.0]), 0.5


def closed_form(schedule, kind):
    """The exact prediction of each kind for N(MEAN, STD^2), written with NumPy."""

    def fn(x_t, t):
        alpha, sigma = schedule.alpha(t.astype(np.float64))[:, None], schedule.sigma(t.astype(np.float64))[:, None]
        variance = alpha**2 * STD**2 + sigma**2
        x0 = MEAN + alpha * STD**2 / variance * (x_t - alpha * MEAN)
        eps = sigma * (x_t - alpha * MEAN) / variance
        if kind == "flow":  # rectified flow: alpha' = -1, sigma' = 1
            return eps - x0
        return {"x0": x0, "eps": eps, "score": -eps / sigma, "v": alpha * eps - sigma * x0}[kind]

    return fn


def built_in(schedule):
    return sf.GaussianMixture(MEAN[None], stds=STD).denoiser(schedule)


@pytest.mark.parametrize(
    "sampler", ["ddim", "dpm_solver_pp", "ancestral", "renoise", sf.samplers.DPMSolverPP(3)], ids=str
)
@pytest.mark.parametrize("kind", ["x0", "eps", "score", "v"])
def test_a_callable_gives_what_the_built_in_denoiser_gives(kind, sampler):
    schedule = sf.schedules.Linear(1000)
    mine = sf.Denoiser(closed_form(schedule, kind), schedule, shape=2, prediction=kind)
    x_T = sf.normal((256, 2), seed=0, dtype=np.float64)
    a, b = (d.sample(x_T=x_T, sampler=sampler, steps=50, seed=1) for d in (mine, built_in(schedule)))
    assert a.dtype == np.float64
    assert np.allclose(a, b, atol=1e-9)  # rounding of 50 steps, magnified by 1/alpha_T = 157


def test_a_flow_is_a_prediction_too():
    schedule = sf.schedules.RectifiedFlow()
    mine = sf.Denoiser(closed_form(schedule, "flow"), schedule, shape=2, prediction="flow")
    a, b = (d.sample(64, steps=20, seed=1) for d in (mine, built_in(schedule)))
    assert a.dtype == np.float32
    assert np.allclose(a, b, atol=2e-5)  # float32 answers


@pytest.mark.parametrize(
    "schedule",
    [sf.schedules.VP(), sf.schedules.Linear(100, 1e-3, 0.2), sf.schedules.EDM()],
    ids=lambda s: type(s).__name__,
)
def test_all_answers_are_one_answer(schedule):
    exact, t = built_in(schedule), 0.305 * schedule.t_max  # between the entries of a table
    x = np.random.default_rng(0).normal(size=(20, 2))
    level = schedule.at(t)
    x0, eps = exact.denoise(x, t), exact.eps(x, t)
    assert np.allclose(level.alpha * x0 + level.sigma * eps, x, atol=1e-12)
    assert np.allclose(exact.score(x, t), -eps / level.sigma, atol=1e-11)
    assert np.allclose(exact.v(x, t), level.alpha * eps - level.sigma * x0, atol=1e-11)
    h = 1e-6 * t  # central differences of alpha and sigma: error h^2
    rates = [(f(t + h) - f(t - h)) / (2 * h) for f in (schedule.alpha, schedule.sigma)]
    assert np.allclose(exact.flow(x, t), rates[0] * x0 + rates[1] * eps, atol=1e-6)
    assert np.array_equal(exact.denoise(x), exact.denoise(x, schedule.t_min))


def test_one_time_for_all_rows_or_one_for_each():
    exact = built_in(sf.schedules.VP())
    x, t = np.random.default_rng(0).normal(size=(4, 2)), np.array([0.1, 0.4, 0.9, 1.0])
    for name in ("denoise", "eps", "score", "v", "flow"):
        ask = getattr(exact, name)
        assert np.array_equal(ask(x, t), np.concatenate([ask(x[i : i + 1], t[i]) for i in range(4)])), name


def test_the_dtype_is_that_of_the_input():
    exact = built_in(sf.schedules.VP())
    assert exact.denoise([[0.0, 0.0]], 0.5).dtype == np.float32
    assert exact.denoise(np.zeros((1, 2), np.float16), 0.5).dtype == np.float32
    assert exact.denoise(np.zeros((1, 2)), 0.5).dtype == np.float64
    seen = []
    spy = sf.Denoiser(lambda x_t, t: seen.append((x_t.dtype, t.dtype, t.shape)) or x_t, "vp", 2)
    spy.sample(3, steps=1)
    spy.sample(x_T=np.zeros((3, 2)), steps=1)
    assert seen == [(np.float32, np.float32, (3,)), (np.float64, np.float64, (3,))]


def test_callables_are_asked_in_batches():
    sizes = []
    spy = sf.Denoiser(lambda x_t, t: sizes.append(len(x_t)) or x_t, "vp", (2, 3), batch_size=4)
    x = spy.sample(10, steps=1)
    assert x.shape == (10, 2, 3)
    assert sizes == [4, 4, 2]


def test_the_derivative_of_a_callable_is_that_of_the_closed_form():
    schedule = sf.schedules.VP()
    mine = sf.Denoiser(closed_form(schedule, "x0"), schedule, shape=2)
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    exact = built_in(schedule).vjp(x, 0.4, c)
    assert np.allclose(mine.vjp(x, 0.4, c), exact, atol=1e-9)  # linear: only rounding / h = 1e-11
    assert np.allclose(mine.vjp(x.astype(np.float32), 0.4, c), exact, atol=1e-4)  # 1e-7 / h


def told(x_t, t, labels=None, condition=None, text=None):
    """All data are the sum of what was told."""
    value = np.zeros(len(x_t))
    if labels is not None:
        value = value + labels
    if condition is not None:
        value = value + condition
    if text is not None:
        value = value + [len(line or "") for line in text]
    return np.broadcast_to(value[:, None], x_t.shape)


def test_conditions_belong_to_rows_whatever_the_batch():
    model = sf.Denoiser(told, "vp", 1, batch_size=3)
    options = {"labels": [1, 2, 3, 4], "condition": [0.25, 0.5], "text": ["a", None, "ccc"], "steps": 2}
    expected = [np.resize([1, 2, 3, 4], 24) + np.resize([0.25, 0.5], 24) + np.resize([1, 0, 3], 24)]
    whole = model.sample(24, **options)
    assert np.allclose(whole[:, 0], expected[0])
    assert np.array_equal(whole, np.concatenate([model.sample(7, **options), model.sample(17, start=7, **options)]))


def test_the_number_of_samples_follows():
    model = sf.Denoiser(told, "vp", 1)
    assert len(model.sample(labels=range(5), steps=1)) == 5
    assert len(model.sample(text=["x", "y"], steps=1)) == 2
    assert len(model.sample(3, labels=2, steps=1)) == 3
    assert len(model.sample(x_T=np.zeros((4, 1)), labels=[1, 2], steps=1)) == 4
    with pytest.raises(ValueError, match="how many samples"):
        model.sample(labels=3)
    with pytest.raises(ValueError, match="does not follow from sequences of different lengths"):
        model.sample(labels=[1, 2], text=["a"])
    with pytest.raises(ValueError, match="n=3, but x_T holds 4 samples"):
        model.sample(3, x_T=np.zeros((4, 1)))


def test_a_wrong_answer_is_refused_with_both_shapes():
    message = r"the callable returned \(4, 1\) for x_t of shape \(4, 2\); it must return the shape of x_t"
    with pytest.raises(ValueError, match=message):
        sf.Denoiser(lambda x_t, t: x_t[:, :1], "vp", shape=2).sample(4)
    with pytest.raises(TypeError, match="what the callable returned must hold real numbers, got dtype complex"):
        sf.Denoiser(lambda x_t, t: x_t * 1j, "vp", shape=2).sample(4)
    with pytest.raises(TypeError, match=r"returned None for x_t of shape \(4, 2\); is a return missing"):
        sf.Denoiser(lambda x_t, t: None, "vp", shape=2).sample(4)
    with pytest.raises(ZeroDivisionError):  # its own errors come through
        sf.Denoiser(lambda x_t, t: 1 / 0, "vp", shape=2).sample(4)


def test_nan_names_the_step():
    bad = sf.Denoiser(lambda x_t, t: np.where(t[:, None] < 0.35, np.nan, x_t), "vp", shape=2)
    with pytest.raises(
        sf.NonFiniteError, match=r"the denoiser's answer is not finite at step 8 of 10 \(t = 0.3 -> 0.2\)"
    ):
        bad.sample(4, steps=10)
    with pytest.raises(sf.NonFiniteError, match=r"the x0_hat of 1 of 2 rows is not finite, first in row 1, at t = 0.3"):
        bad.denoise(np.zeros((2, 2)), [0.5, 0.3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: d.sample(0), ValueError, "n must be an integer >= 1"),
        (lambda d: d.sample(2.5), TypeError, "n must be an integer"),
        (lambda d: d.sample(2, labels=[0]), ValueError, "knows no classes"),
        (lambda d: d.sample(2, condition=[1.0]), ValueError, "takes none"),
        (lambda d: d.sample(2, text="a"), ValueError, "reads none"),
        (lambda d: d.sample(2, guidance=2.0), ValueError, "nothing to be guided by"),
        (lambda d: d.sample(2, guidance=0.0), ValueError, "nothing to be guided by"),
        (lambda d: d.sample(2, guidance="strong"), TypeError, "guidance must be a number"),
        (lambda d: d.sample(2, steps=0), ValueError, "steps"),
        (lambda d: d.sample(2, steps=5, grid=[1.0, 0.0]), ValueError, "leave out one"),
        (lambda d: d.sample(2, grid=[0.0, 1.0]), ValueError, "fall"),
        (lambda d: d.sample(2, grid=[1.5, 0.0]), ValueError, "1.5"),
        (lambda d: d.sample(2, grid="karas"), ValueError, "did you mean 'karras'"),
        (lambda d: d.sample(2, seed=-1), ValueError, "seed"),
        (lambda d: d.sample(2, start=-1), ValueError, "start"),
        (lambda d: d.sample(2, every=0, trajectory=True), ValueError, "every"),
        (lambda d: d.sample(2, clip=-1), ValueError, "clip must be a number > 0"),
        (lambda d: d.sample(2, clip=(1, 1)), ValueError, "lo < hi"),
        (lambda d: d.sample(2, clip="static"), ValueError, "clip must be None"),
        (lambda d: d.sample(x_T=np.zeros((2, 3))), ValueError, r"x_T must have shape \(n, 2\), got \(2, 3\)"),
        (lambda d: d.sample(x_T=np.full((2, 2), np.nan)), ValueError, "x_T holds 4 non-finite values"),
        (lambda d: d.sample(x_T=np.zeros((2, 2), np.uint8)), TypeError, "from_uint8"),
        (lambda d: d.denoise(np.zeros(2)), ValueError, r"for one sample use x_t\[None\]"),
        (lambda d: d.denoise(np.zeros((3, 2)), [0.1, 0.2]), ValueError, "one for each row"),
        (lambda d: d.denoise(np.zeros((3, 2)), 1.1), ValueError, "1.1"),
        (lambda d: d.eps(np.zeros((3, 2)), 0.0), ValueError, "sigma"),
        (lambda d: d.vjp(np.zeros((3, 2)), 0.5, np.zeros((2, 2))), ValueError, r"c must have shape \(3, 2\)"),
        (lambda d: d.invert(np.zeros((3, 1))), ValueError, r"x must have shape \(n, 2\)"),
        (lambda d: d.sample(2, progress="yes"), TypeError, "progress must be"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(sf.Denoiser(lambda x_t, t: x_t, "vp", 2))


def test_wrapping_checks_its_arguments():
    with pytest.raises(TypeError, match="fn must be a function"):
        sf.Denoiser(3, "vp", 2)
    with pytest.raises(ValueError, match="unknown prediction"):
        sf.Denoiser(lambda x, t: x, "vp", 2, prediction="noise")
    with pytest.raises(ValueError, match="unknown schedule"):
        sf.Denoiser(lambda x, t: x, "vpp", 2)
    with pytest.raises(ValueError, match="batch_size"):
        sf.Denoiser(lambda x, t: x, "vp", 2, batch_size=0)
    with pytest.raises(ValueError, match="labels must have one entry for each of the 3 rows, got 2"):
        sf.Denoiser(told, "vp", 1).denoise(np.zeros((3, 1)), 0.5, labels=[1, 2])


def test_a_torch_module_in_three_lines():
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(3, 2)

    def call(x_t, t):
        return module(torch.cat([torch.from_numpy(x_t), torch.from_numpy(t)[:, None]], 1))

    with torch.no_grad():
        x = sf.Denoiser(call, "vp", shape=2).sample(16, steps=3)
    assert x.shape == (16, 2)
    assert np.array_equal(x, sf.Denoiser(call, "vp", shape=2).sample(16, steps=3))  # gradients are let go


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 40),
    cut=st.integers(0, 39),
    seed=st.integers(0, 2**64 - 1),
    shape=st.sampled_from([(1,), (3,), (2, 2, 1)]),
)
def test_parts_are_the_whole_for_any_split(n, cut, seed, shape):
    size, cut = int(np.prod(shape)), min(cut, n)
    means = np.random.default_rng(0).normal(size=(3, *shape))
    exact = sf.GaussianMixture(means, stds=0.3).denoiser("vp")
    options = {"labels": [0, None, 2, 1], "seed": seed, "sampler": sf.samplers.DDIM(0.7), "steps": 4}
    whole = exact.sample(n, **options)
    parts = [exact.sample(k, start=start, **options) for start, k in ((0, cut), (cut, n - cut)) if k]
    assert whole.size == n * size
    assert np.array_equal(whole, np.concatenate(parts))
