"""Noising, the posterior, conversions between predictions, loss weights and training times."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from schedule_cases import EVERY, Quadratic, name

import scorefield as sf
from scorefield import _core
from scorefield.schedules import EDM, VE, VP, Cosine, Linear, RectifiedFlow, Single, SubVP

KINDS = ("x0", "eps", "score", "v", "flow")
each = pytest.mark.parametrize("schedule", EVERY, ids=name)
rng = np.random.default_rng(0)


def inner(schedule, n, seed=0):
    """Times where alpha and sigma are both well away from 0."""
    u = np.random.default_rng(seed).uniform(0.05, 0.9, n)
    return schedule.t_min + u * (schedule.t_max - schedule.t_min)


# ---- add_noise


@each
def test_add_noise_is_the_marginal_form(schedule):
    """Theory (1), a time per row and one for all, any shape of sample."""
    for shape in ((4, 2), (4, 3, 2, 1), (4,)):
        x0, eps, t = rng.normal(size=shape), rng.normal(size=shape), inner(schedule, 4)
        column = (4,) + (1,) * (len(shape) - 1)
        expected = schedule.alpha(t).reshape(column) * x0 + schedule.sigma(t).reshape(column) * eps
        np.testing.assert_allclose(schedule.add_noise(x0, t, eps), expected, rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(schedule.add_noise(x0, float(t[0]), eps)[0], schedule.add_noise(x0, t, eps)[0])
    np.testing.assert_array_equal(schedule.add_noise(x0, 0, eps), x0)


def test_one_seed_is_one_noise_at_every_time():
    linear, x0 = Linear(), np.zeros((5, 8))
    low, high = linear.add_noise(x0, 10, seed=3), linear.add_noise(x0, 1000, seed=3)
    np.testing.assert_allclose(low / linear.sigma(10), high / linear.sigma(1000), rtol=1e-12)
    assert not np.array_equal(high, linear.add_noise(x0, 1000, seed=4))
    np.testing.assert_array_equal(high[:2], linear.add_noise(x0[:2], 1000, seed=3))  # row i is sample i
    assert not np.array_equal(linear.add_noise(x0, 1000, seed=None), linear.add_noise(x0, 1000, seed=None))


def test_noise_is_standard_normal():
    eps = EDM().add_noise(np.zeros((400, 50)), 1.0, seed=0)
    n = eps.size
    assert abs(eps.mean()) < 5 / np.sqrt(n)
    assert abs(eps.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((eps**4).mean() - 3) < 5 * np.sqrt(96 / n)  # Var(z^4) = 105 - 9


def test_the_type_is_that_of_the_widest_float():
    schedule = VP()
    narrow, wide = np.ones((3, 2), np.float32), np.ones((3, 2))
    assert schedule.add_noise(narrow, 0.5).dtype == np.float32
    assert schedule.add_noise(wide, 0.5).dtype == np.float64
    assert schedule.add_noise(narrow, 0.5, wide).dtype == np.float64
    assert schedule.add_noise(np.ones((3, 2), int), 0.5).dtype == np.float32
    assert schedule.add_noise(narrow.astype(np.float16), 0.5).dtype == np.float32
    assert schedule.forward(narrow, [0, 1]).x.dtype == np.float32
    np.testing.assert_allclose(
        schedule.add_noise(narrow, 0.5, seed=1), schedule.add_noise(wide, 0.5, seed=1), rtol=1e-6
    )


@given(
    x0=hnp.arrays(
        st.sampled_from([np.float32, np.float64, ">f4", ">f8", np.int16]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
        elements=st.integers(-3, 3),
    ),
    u=st.floats(0, 1),
)
def test_any_shape_and_byte_order_is_noised_without_being_touched(x0, u):
    before = x0.tobytes()
    for array in (x0, x0[::-1], np.asfortranarray(x0)):
        x_t = Linear().add_noise(array, 1000 * u, seed=1)
        assert x_t.shape == array.shape
        assert x_t.flags.c_contiguous
        assert x_t.flags.writeable
        clean = Linear().add_noise(array, 0, seed=1)
        np.testing.assert_array_equal(clean, array)
    assert x0.tobytes() == before


# ---- the Markov chain


def test_forward_is_a_markov_chain_with_the_right_marginals():
    schedule, n = VP(), 20_000
    times = [0, 0.2, 0.5, 1]
    path = schedule.forward(np.full((n, 1), 0.5), times, seed=1)
    assert path.x.shape == (4, n, 1)
    assert path.x0 is None
    np.testing.assert_array_equal(path.t, times)
    np.testing.assert_array_equal(path.x[0], np.full((n, 1), 0.5))
    steps = []
    for s, t, x_s, x_t in zip(times, times[1:], path.x, path.x[1:], strict=False):
        noise = (x_t - schedule.alpha(t) * 0.5) / schedule.sigma(t)
        assert abs(noise.mean()) < 5 / np.sqrt(n)
        assert abs((noise**2).mean() - 1) < 5 * np.sqrt(2 / n)
        steps.append(x_t - schedule.alpha(t) / schedule.alpha(s) * x_s)
    for a, b in itertools.combinations(steps, 2):  # increments are independent: fresh noise in every step
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(n)


def test_forward_depends_on_its_seed_and_its_rows_alone():
    schedule, x0 = Quadratic(), rng.normal(size=(6, 2))
    path = schedule.forward(x0, [0.1, 0.9], seed=5)
    np.testing.assert_array_equal(path.x, schedule.forward(x0, [0.1, 0.9], seed=5).x)
    np.testing.assert_array_equal(path.x[:, :3], schedule.forward(x0[:3], [0.1, 0.9], seed=5).x)
    assert not np.array_equal(path.x, schedule.forward(x0, [0.1, 0.9], seed=6).x)


# ---- the posterior


@each
def test_posterior_times_marginal_is_the_joint(schedule):
    """Bayes: q(x_s | x0) q(x_t | x_s) = q(x_t | x0) q(x_s | x_t, x0), log densities at arbitrary points."""
    s, t = np.sort([inner(schedule, 5, 1), inner(schedule, 5, 2)], axis=0)
    x0, x_s, x_t = rng.normal(size=(3, 5, 1))
    mean, variance = schedule.posterior(x_t, x0, t, s)
    r = schedule.alpha(t) / schedule.alpha(s)
    step = schedule.sigma(t) ** 2 - r**2 * schedule.sigma(s) ** 2

    def log_normal(x, m, v):
        return -0.5 * ((x.ravel() - m) ** 2 / v + np.log(v))

    a, b = x0.ravel(), x_s.ravel()
    left = log_normal(x_s, schedule.alpha(s) * a, schedule.sigma(s) ** 2) + log_normal(x_t, r * b, step)
    right = log_normal(x_t, schedule.alpha(t) * a, schedule.sigma(t) ** 2) + log_normal(x_s, mean.ravel(), variance)
    np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-7)  # step is a difference: up to 8 digits are lost


def test_posterior_is_ddpms_and_not_the_misprints():
    """DDPM (6), (7): roots over alpha_bar_s and over alpha_step, bars in both denominators; (8) from eps."""
    schedule, t = Linear(), 300
    beta, bar_t, bar_s = schedule.beta(t), schedule.alpha_bar(t), schedule.alpha_bar(t - 1)
    x0, eps = rng.normal(size=(2, 4, 3))
    x_t = schedule.add_noise(x0, t, eps)
    mean, variance = schedule.posterior(x_t, x0, t, t - 1)
    expected = np.sqrt(bar_s) * beta / (1 - bar_t) * x0 + np.sqrt(1 - beta) * (1 - bar_s) / (1 - bar_t) * x_t
    np.testing.assert_allclose(mean, expected, rtol=1e-10)
    np.testing.assert_allclose(mean, (x_t - beta / np.sqrt(1 - bar_t) * eps) / np.sqrt(1 - beta), rtol=1e-8, atol=1e-10)
    assert variance == pytest.approx(beta * (1 - bar_s) / (1 - bar_t), rel=1e-10)
    assert isinstance(variance, float)


def test_posterior_with_a_time_per_row():
    schedule = VP()
    x0, x_t = rng.normal(size=(2, 3, 2))
    mean, variance = schedule.posterior(x_t, x0, [0.5, 0.6, 0.7], 0.2)
    assert variance.shape == (3,)
    for i, t in enumerate((0.5, 0.6, 0.7)):
        one, v = schedule.posterior(x_t[i : i + 1], x0[i : i + 1], t, 0.2)
        np.testing.assert_array_equal(mean[i], one[0])
        assert variance[i] == v
    at_data, zero = schedule.posterior(x_t, x0, 0.5, 0)
    assert zero == 0
    np.testing.assert_allclose(at_data, x0, rtol=1e-15)


# ---- conversions


def scenario(schedule, n=64):
    t = inner(schedule, n)
    x0, eps = rng.normal(size=(2, n, 2))
    return t, x0, eps, schedule.add_noise(x0, t, eps)


@each
def test_all_25_conversions_round_trip(schedule):
    """To 1e-12: a few roundings, magnified by at most alpha / sigma or sigma / alpha, < 100 at these times."""
    t, _, eps, x_t = scenario(schedule)
    for a, b in itertools.product(KINDS, KINDS):
        y = sf.convert(eps, x_t, t, schedule, source="eps", target=a)
        there = sf.convert(y, x_t, t, schedule, source=a, target=b)
        back = sf.convert(there, x_t, t, schedule, source=b, target=a)
        np.testing.assert_allclose(back, y, rtol=1e-12, atol=1e-12 * np.abs(y).max(), err_msg=f"{a} -> {b}")


def test_each_kind_is_its_definition():
    schedule = VP()
    t, x0, eps, x_t = scenario(schedule)
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    f, g2 = schedule.f(t)[:, None], schedule.g2(t)[:, None]
    truths = {
        "x0": x0,
        "score": -eps / sigma,
        "v": alpha * eps - sigma * x0,
        "flow": f * x_t + g2 / 2 * eps / sigma,  # the other side of (24)
    }
    for kind, truth in truths.items():
        made = sf.convert(eps, x_t, t, schedule, source="eps", target=kind)
        np.testing.assert_allclose(made, truth, rtol=1e-9, atol=1e-9 * np.abs(truth).max(), err_msg=kind)


def test_tweedie_gives_the_mean_of_a_gaussian_posterior():
    """x0 ~ N(m, c^2): E[x0 | x_t] = (x_t + sigma^2 score) / alpha (13) is the linear regression."""
    m, c, schedule = 0.7, 0.4, SubVP()
    t, x_t = inner(schedule, 50), rng.normal(size=(50, 1))
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    variance = alpha**2 * c**2 + sigma**2
    score = -(x_t - alpha * m) / variance
    x0 = sf.convert(score, x_t, t, schedule, source="score", target="x0")
    np.testing.assert_allclose(x0, m + alpha * c**2 / variance * (x_t - alpha * m), rtol=1e-10, atol=1e-12)


def test_edm_is_the_papers_preconditioning():
    schedule = EDM()
    sigma = np.array([0.01, 0.5, 20.0])
    x0, eps = rng.normal(size=(2, 3, 2))
    x_t = schedule.add_noise(x0, sigma, eps)
    network = sf.convert(x0, x_t, sigma, schedule, source="x0", target="edm")
    norm = (sigma**2 + 0.25)[:, None]
    np.testing.assert_allclose(
        0.25 / norm * x_t + sigma[:, None] * 0.5 / np.sqrt(norm) * network, x0, rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(sf.convert(network, x_t, sigma, schedule, source="edm", target="eps"), eps, rtol=1e-9)


def test_float32_conversions_round_once():
    schedule = Cosine(1000)
    t, x0, eps, _ = scenario(schedule)
    x0, eps = x0.astype(np.float32), eps.astype(np.float32)
    x_t = schedule.add_noise(x0, t, eps)
    v = sf.convert(eps, x_t, t, schedule, source="eps", target="v")
    assert v.dtype == np.float32
    exact = sf.convert(eps.astype(float), x_t.astype(float), t, schedule, source="eps", target="v")
    np.testing.assert_allclose(v, exact, rtol=1.2e-7)  # half a unit of float32


def test_conversions_at_the_ends_exist_or_name_the_way_out():
    zero, x = Linear().zero_terminal_snr(), np.ones((2, 2))
    with pytest.raises(
        ValueError, match=r'alpha is 0 at t = 1000, so x0 cannot be found from eps; use prediction="v" or "x0"'
    ):
        sf.convert(x, x, 1000, zero, source="eps", target="x0")
    np.testing.assert_array_equal(sf.convert(x, x, 1000, zero, source="v", target="x0"), -x)  # v = -x0 there
    np.testing.assert_array_equal(sf.convert(x, x, 1000, zero, source="score", target="eps"), -x)
    with pytest.raises(ValueError, match="flow velocity is infinite at t = 1000"):
        sf.convert(x, x, 1000, zero, source="x0", target="flow")
    with pytest.raises(ValueError, match="sigma is 0 at t = 0, so the score cannot be found from x0"):
        sf.convert(x, x, 0, VP(), source="x0", target="score")
    with pytest.raises(ValueError, match="needs alpha = 1"):
        sf.convert(x, x, 0.5, VP(), source="x0", target="edm")
    flow = RectifiedFlow()
    np.testing.assert_array_equal(
        sf.convert(2 * x, x, 1, flow, source="flow", target="x0"), -x
    )  # u = eps - x0, x_t = eps


@settings(max_examples=50)
@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=4, max_side=3),
    source=st.sampled_from(KINDS),
    target=st.sampled_from(KINDS),
    u=st.floats(0.05, 0.95),
)
def test_conversions_keep_any_shape(shape, source, target, u):
    value = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    out = sf.convert(value, value[::-1], u, RectifiedFlow(2.0), source=source, target=target)
    assert out.shape == shape
    assert np.isfinite(out).all()


# ---- loss weights and training times (the core's, which `fit` uses)


@pytest.mark.parametrize("weight", ["vlb", "snr", "min_snr", "p2", "likelihood", "edm"])
def test_a_weight_means_the_same_on_every_output(weight):
    """An error r of x0_hat at given x_t costs w r^2, whether the network says x0, eps, v or the flow."""
    schedule, t = VP(), np.linspace(0.01, 1, 7)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    on_x0 = _core.loss_weight(weight, "x0", schedule._core, t)
    # d output / d x0 at given x_t
    slopes = {
        "eps": alpha / sigma,
        "v": 1 / sigma,
        "score": alpha / sigma,
        "flow": schedule.g2(t) * alpha / (2 * sigma**2),
    }
    for kind, slope in slopes.items():
        np.testing.assert_allclose(_core.loss_weight(weight, kind, schedule._core, t) * slope**2, on_x0, rtol=1e-10)


def test_weights_are_the_papers():
    schedule, t = Linear(), np.array([1.0, 300, 1000])
    snr = schedule.snr(t)
    np.testing.assert_allclose(
        _core.loss_weight("min_snr", "eps", schedule._core, t), np.minimum(snr, 5) / snr, rtol=1e-12
    )
    np.testing.assert_allclose(_core.loss_weight("p2", "eps", schedule._core, t), 1 / (1 + snr), rtol=1e-12)
    np.testing.assert_allclose(_core.loss_weight("snr", "x0", schedule._core, t), np.maximum(snr, 1), rtol=1e-12)
    np.testing.assert_allclose(_core.loss_weight("edm", "edm", EDM()._core, np.array([0.01, 1.0])), 1, rtol=1e-12)
    assert (_core.loss_weight("simple", "v", schedule._core, t) == 1).all()


def test_what_the_network_hears():
    np.testing.assert_array_equal(_core.c_noise(Linear()._core, np.array([1.0, 1000, 0])), [0, 999, 0])
    np.testing.assert_allclose(_core.c_noise(VP()._core, np.array([0.5, 0])), [500, 1])
    np.testing.assert_allclose(_core.c_noise(EDM()._core, np.array([1.0, 80])), [0, np.log(80) / 4])
    np.testing.assert_array_equal(_core.c_noise(Single(0.2)._core, np.array([0.5])), [0])
    np.testing.assert_allclose(_core.c_in(EDM()._core, np.array([0.5])), 1 / np.sqrt(0.5))
    np.testing.assert_allclose(_core.c_in(VE()._core, np.array([0.0, 1])), [1, 1 / np.sqrt(1 + VE().sigma(1.0) ** 2)])
    np.testing.assert_array_equal(_core.c_in(VP()._core, np.array([0.3])), [1])


@pytest.mark.parametrize("times", ["uniform", "stratified", "log_normal", "logit_normal", "importance"])
def test_training_times_work_on_a_schedule_written_in_python(times):
    sampler = _core.TimeSampler(times, Quadratic()._core)
    t, weight = sampler.draw(0, 0, 500)
    assert ((t >= 1e-3) & (t <= 0.999)).all()
    np.testing.assert_allclose(weight, 1, rtol=1e-12)
    np.testing.assert_array_equal(t, sampler.draw(0, 0, 500)[0])


# ---- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: VP().add_noise(x, 2.0), ValueError, r"t must lie in 0\.\.1"),
        (
            lambda x: VP().add_noise(x, [0.5, 0.5]),
            ValueError,
            r"t must be one time or have shape \(3,\).*got shape \(2,\)",
        ),
        (lambda x: VP().add_noise(x, 0.5, x[:2]), ValueError, r"eps must have the shape of x0, \(3, 2\), got \(2, 2\)"),
        (lambda x: VP().add_noise(1.0, 0.5), ValueError, "x0 must have shape"),
        (lambda x: VP().add_noise(x[:0], 0.5), ValueError, "x0 is empty"),
        (lambda x: VP().add_noise(x * np.nan, 0.5), ValueError, "x0 holds 6 non-finite values"),
        (lambda x: VP().add_noise(x.astype(complex), 0.5), TypeError, "x0 must hold real numbers"),
        (lambda x: VP().add_noise(np.ma.array(x), 0.5), TypeError, "masked"),
        (lambda x: VP().add_noise(x.astype(np.uint8), 0.5), TypeError, "from_uint8"),
        (lambda x: VP().add_noise(x, 0.5, seed=-1), ValueError, "seed must be an integer"),
        (lambda x: VP().add_noise(x, 0.5, seed=True), TypeError, "seed"),
        (lambda x: VP().forward(x, [0.5, 0.5]), ValueError, r"times must rise, but entry 1 is 0\.5 after 0\.5"),
        (lambda x: VP().forward(x, 0.5), ValueError, "times must have shape"),
        (lambda x: VP().forward(x, []), ValueError, "times is empty"),
        (lambda x: VP().posterior(x, x, 0.2, 0.5), ValueError, r"needs s < t, got s = 0\.5 and t = 0\.2"),
        (lambda x: VP().posterior(x, x[:1], 0.5, 0.2), ValueError, "x0 must have the shape of x_t"),
        (lambda x: VP().posterior(x, x, 0.5, [0.2]), ValueError, "s must be one time or have shape"),
        (lambda x: sf.convert(x, x, 0.5, "vp", source="eps", target="v"), TypeError, "schedule must be a Schedule"),
        (lambda x: sf.convert(x, x, 0.5, VP(), source="epsilon", target="v"), ValueError, "unknown source 'epsilon'"),
        (lambda x: sf.convert(x, x, 0.5, VP(), source="eps", target="energy"), ValueError, "unknown target 'energy'"),
        (
            lambda x: sf.convert(x, x[:1], 0.5, VP(), source="eps", target="v"),
            ValueError,
            "x_t must have the shape of value",
        ),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((3, 2)))
