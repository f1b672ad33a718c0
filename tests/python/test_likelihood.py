"""Likelihoods from Python: densities of exact mixtures and of wrapped callables, units, bits per dimension, bounds."""

import numpy as np
import pytest
from sampler_cases import TRUTH

import scorefield as sf
from scorefield import _core
from scorefield.conditions import Condition
from scorefield.likelihood import Bound

POINTS = TRUTH.sample(64, seed=1).astype(np.float64)
SDES = [sf.schedules.VP(), sf.schedules.SubVP(), sf.schedules.VE(0.01, 500)]


def name(schedule):
    return type(schedule).__name__


class Early(sf.Schedule):
    """The VP process from t_min = 1e-5 on, with functions of one's own."""

    t_min, t_max = 1e-5, 1.0

    def alpha(self, t):
        return np.exp(-(t**2) * 19.9 / 4 - t * 0.05)

    def sigma(self, t):
        return np.sqrt(-np.expm1(-(t**2) * 19.9 / 2 - t * 0.1))


@pytest.mark.parametrize("schedule", SDES, ids=name)
def test_a_mixture_has_its_density_by_default(schedule):
    """Story 10: within 0.02 nats."""
    found = TRUTH.denoiser(schedule).log_prob(POINTS)
    assert np.abs(found - TRUTH.log_prob(POINTS)).max() < 0.02


@pytest.mark.parametrize("schedule", SDES, ids=name)
def test_what_is_left_is_the_start_and_the_prior_and_not_the_solver(schedule):
    """With the exact p_T the density at t_min is right to 1e-4, so the 0.01 above are N(0, sigma_T^2) and t_min."""
    t_max, sigma = float(schedule.t_max), float(schedule.sigma(schedule.t_max))
    end, change, _ = _core.transport(
        TRUTH.denoiser(schedule)._bind(Condition()), schedule._core, POINTS, np.array([schedule.t_min]), t_max,
        "exact", 1, 0, 1e-6, 1e-6, _core.FlowForm.angle,
    )  # fmt: skip
    at_end, at_start = noised(schedule, t_max), noised(schedule, schedule.t_min)
    assert np.abs(at_end.log_prob(end) + change - at_start.log_prob(POINTS)).max() < 1e-4
    gap = at_end.log_prob(end) - _core.log_prior(end, sigma)  # what the prior costs, row by row
    by_default = TRUTH.denoiser(schedule).log_prob(POINTS, rtol=1e-6, atol=1e-6)
    assert np.abs(by_default + gap - at_start.log_prob(POINTS)).max() < 1e-4


def noised(schedule, t):
    """The mixture at time t, theory 12."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return sf.GaussianMixture(
        alpha * TRUTH.means, stds=np.sqrt((alpha * TRUTH.stds) ** 2 + sigma**2), weights=TRUTH.weights
    )


def test_a_small_t_min_gives_the_density_of_the_data_to_1e_4():
    schedule, few = Early(), POINTS[:6]
    end, change, _ = _core.transport(
        TRUTH.denoiser(schedule)._bind(Condition()), schedule._core, few, np.array([1e-5]), 1.0,
        "exact", 1, 0, 1e-6, 1e-6, _core.FlowForm.angle,
    )  # fmt: skip
    assert np.abs(noised(schedule, 1.0).log_prob(end) + change - TRUTH.log_prob(few)).max() < 1e-4


def test_later_times_give_the_density_of_x_t_and_rows_may_have_their_own():
    exact = TRUTH.denoiser(sf.schedules.VP())
    times = np.linspace(0.1, 0.6, len(POINTS))
    found = exact.log_prob(POINTS, times)
    truth = [noised(exact.schedule, t).log_prob(x[None])[0] for t, x in zip(times, POINTS, strict=True)]
    assert np.abs(found - truth).max() < 0.02  # alpha_T m x_T of N(0, sigma_T^2) for p_T: 0.0066 * 2 * 1
    assert found[7] == exact.log_prob(POINTS[7:8], times[7])[0]


def test_labels_pick_the_density_of_a_component():
    exact = TRUTH.denoiser(sf.schedules.VP())
    one = sf.GaussianMixture(TRUTH.means[1:2], stds=TRUTH.stds[1:2])
    x = one.sample(40, seed=3).astype(np.float64)
    found = exact.log_prob(x, labels=[1, None] * 20)
    assert (
        np.abs(found - one.log_prob(x))[::2].max() < 0.05
    )  # alpha_T m x_T of N(0, sigma_T^2) for p_T: 0.0066 * 2.1 * 3
    assert np.abs(found - TRUTH.log_prob(x))[1::2].max() < 0.02
    assert found[4] == exact.log_prob(x[4:5], labels=1)[0]


def test_hutchinson_is_an_estimate_of_the_exact_divergence():
    exact = TRUTH.denoiser(sf.schedules.VP())
    truth = exact.log_prob(POINTS)
    few, many = (exact.log_prob(POINTS, divergence="hutchinson", probes=k) for k in (4, 256))
    assert np.allclose(many, truth, atol=0.5)  # story 10
    assert np.abs(many - truth).mean() < np.abs(few - truth).mean() / 3  # 8 times in theory
    assert not np.array_equal(few, exact.log_prob(POINTS, divergence="hutchinson", probes=4, seed=1))
    normal = exact.log_prob(POINTS, divergence="gaussian", probes=64)
    assert abs(np.mean(normal - truth)) < 5 * np.std(normal - truth) / np.sqrt(len(truth))


def test_auto_is_exact_up_to_sixteen_numbers():
    for size, same in ((16, True), (17, False)):
        mixture = sf.GaussianMixture(np.zeros((2, size)), stds=np.linspace(0.2, 1, 2 * size).reshape(2, size))
        exact = mixture.denoiser("vp")
        x = mixture.sample(2, seed=1)
        assert np.array_equal(exact.log_prob(x), exact.log_prob(x, divergence="exact")) == same


def test_a_wrapped_callable_has_the_density_of_what_it_wraps():
    exact = TRUTH.denoiser(sf.schedules.VP())
    double = sf.Denoiser(exact.denoise, exact.schedule, 2)
    assert np.abs(double.log_prob(POINTS[:8]) - exact.log_prob(POINTS[:8])).max() < 1e-6  # differences in float64
    single = sf.Denoiser(lambda x, t: exact.denoise(x.astype(np.float32), t), exact.schedule, 2)
    # differences of float32 numbers over 1e-2: 1e-5 in the Jacobian, over sigma = 0.01 at the start
    assert np.abs(single.log_prob(POINTS[:8]) - exact.log_prob(POINTS[:8])).max() < 0.02

    def stubborn(x, t):
        if x.dtype == np.float64:
            raise RuntimeError("expected Float but found Double")
        return exact.denoise(x, t)

    assert np.isfinite(sf.Denoiser(stubborn, exact.schedule, 2).log_prob(POINTS[:2])).all()


def test_densities_are_in_the_units_of_the_data():
    """The same network in other units: p(x) = p_z((x - shift) / scale) / prod(scale)."""
    net, shift, scale = sf.MLP(3, widths=(8,), seed=1), [1.0, -2.0, 0.5], [2.0, 0.5, 10.0]
    plain, scaled = (sf.Diffusion(net, sf.schedules.VP(), scale=s) for s in (None, (shift, scale)))
    z = sf.normal((5, 3), seed=2, dtype=np.float64)
    a, b = plain.log_prob(z), scaled.log_prob(z * scale + shift)
    assert np.allclose(b, a - np.log(10.0), atol=1e-3)  # float32 networks differ by rounding of their input
    c, d = plain.vlb(z, steps=5), scaled.vlb(z * scale + shift, steps=5)
    assert np.allclose(d.total, c.total + np.log(10.0), rtol=1e-4, atol=1e-3)


def test_a_row_is_the_same_in_every_batch():
    model = sf.Diffusion(sf.MLP(2, widths=(16,), classes=3, seed=1), sf.schedules.VP())
    x, labels = sf.normal((40, 2), seed=3), np.arange(40) % 3
    for options in ({}, {"labels": labels}):
        whole = model.log_prob(x, **options)
        assert whole.dtype == np.float32
        part = {key: value[:9] for key, value in options.items()}
        assert np.array_equal(model.log_prob(x[:9], **part), whole[:9])
        with sf.set_num_threads(1):
            assert np.array_equal(model.log_prob(x, **options), whole)


def test_parts_of_a_data_set_give_the_numbers_of_the_whole():
    """Row i draws from (seed, start + i), and hears the label that stands beside it."""
    net = sf.MLP(2, widths=(16,), classes=3, seed=1)
    model, x, labels = sf.Diffusion(net, sf.schedules.Linear(1000)), sf.normal((20, 2), seed=3), np.arange(20) % 3
    levels = np.round(8 * x.clip(-1, 1)) / 8
    asked = {
        "log_prob": (x, {"divergence": "hutchinson"}),
        "bits_per_dim": (levels, {"levels": 17, "divergence": "hutchinson"}),
        "vlb": (x, {"steps": 20}),
    }
    for name, (data, words) in asked.items():
        ask = getattr(model, name)
        parts = [(slice(0, 7), 0), (slice(7, 20), 7)]
        found = [ask(data[rows], labels=labels[rows], start=start, **words) for rows, start in parts]
        whole, other = ask(data, labels=labels, **words), ask(data, labels=labels, start=1, **words)
        if name == "vlb":
            found, whole, other = [part.total for part in found], whole.total, other.total
        assert np.array_equal(np.concatenate(found), whole)
        assert not np.array_equal(other, whole)
    with pytest.raises(ValueError, match="start must be an integer"):
        model.vlb(x, start=-1)


def test_bits_per_dim_is_the_mean_of_the_density_over_an_interval():
    """Of -log N(x + u; 0, c^2) that is (x^2 + half^2 / 3) / 2 c^2 for each number, plus the offset of (25)."""
    truth = sf.GaussianMixture([[0.0, 0.0]], stds=0.6)
    exact = truth.denoiser(sf.schedules.VP())
    x = np.array([[-0.5, 0.25], [0.0, 1.0]])
    many = np.stack([exact.bits_per_dim(x, levels=17, seed=s) for s in range(40)])
    spread = (1 / 16) ** 2 / 3 / (2 * 0.6**2)
    expected = (-truth.log_prob(x) / 2 + spread) / np.log(2) + np.log2(8)
    # 0.005: N(0, sigma_T^2) for p_T; 5 standard errors of 40 draws
    assert np.abs(many.mean(axis=0) - expected).max() < 0.005 + 5 * many.std(axis=0).max() / np.sqrt(40)
    assert np.array_equal(exact.bits_per_dim(x, levels=17), exact.bits_per_dim(x, levels=17))
    with pytest.raises(ValueError, match=r"x must lie on 17 equal grey levels from -1 to 1, got 0\.3"):
        exact.bits_per_dim([[0.3, 0.0]], levels=17)


def test_the_bound_of_the_exact_model_tends_to_the_entropy():
    """Story 10: it exceeds -log p by 0.1 nats at most, and beta_tilde costs 0.9 nats."""
    many = TRUTH.sample(2000, seed=2)
    exact = TRUTH.denoiser(sf.schedules.Linear(1000))
    bound = exact.vlb(many, variance="beta")
    assert bound.terms.shape == (2000, 999)
    assert bound.prior.shape == bound.decoder.shape == bound.total.shape == bound.bits_per_dim.shape == (2000,)
    excess = np.mean(bound.total + TRUTH.log_prob(many))
    error = 4 * np.std(bound.total + TRUTH.log_prob(many)) / np.sqrt(2000)
    assert -error < excess < 0.1
    short = exact.vlb(many, steps=50)
    assert np.mean(short.total + TRUTH.log_prob(many)) > excess + 0.1
    small = exact.vlb(many, variance="beta_tilde")
    assert 0.7 < np.mean(small.total) - np.mean(bound.total) < 1.1
    continuous = TRUTH.denoiser(sf.schedules.VP()).vlb(many)
    assert continuous.terms.shape == (2000, 256)
    assert abs(np.mean(continuous.total + TRUTH.log_prob(many))) < error + 0.02  # t_min = 1e-3 blurs by 0.01


def test_the_bound_of_grey_levels_is_a_code_length():
    """Uniform data on 17 levels need log2(17) bits, and the exact continuous model needs no more.

    The steps with variance beta cost (1 - gamma) / 2 nats more, whatever T: where x0 is known from x_t, the variance is
    beta_tilde = beta (t - 1) / t, and sum_t (log(t / (t - 1)) - 1 / t) / 2 = (1 - gamma) / 2, gamma Euler's constant.
    """
    levels = np.linspace(-1, 1, 17)[:, None]
    points, x = sf.GaussianMixture(levels, stds=0.0), np.repeat(levels, 40, axis=0)
    cases = (
        (sf.schedules.VP(), "beta", 0.0, 0.0),
        (sf.schedules.Linear(1000), "beta", (1 - np.euler_gamma) / 2 / np.log(2), 0.05),
        (sf.schedules.Linear(1000), "beta_tilde", 0.0, 0.05),  # 0.05: what 1000 steps leave, inverse to T
    )
    for schedule, variance, expected, rest in cases:
        excess = points.denoiser(schedule).vlb(x, levels=17, variance=variance).bits_per_dim - np.log2(17)
        assert abs(excess.mean() - expected) < 5 * excess.std() / np.sqrt(len(excess)) + rest
    with pytest.raises(ValueError, match="x must lie on 9 equal grey levels"):
        points.denoiser("vp").vlb(levels, levels=9)


def test_ends_that_are_no_ends_are_refused():
    x = POINTS[:2]
    cases = {
        sf.schedules.Geometric(10, 0.01, 1.0): "ends at snr 1, where x_T still shows the data",
        sf.schedules.Geometric(10, 1.0, 50.0): "begins at snr 1, where x is not the data any more",
        sf.schedules.Single(0.1): "has one noise level",
    }
    for schedule, text in cases.items():
        with pytest.raises(ValueError, match=text):
            TRUTH.denoiser(schedule).log_prob(x)
    late = TRUTH.denoiser(sf.schedules.Geometric(10, 1.0, 50.0)).log_prob(x, t=2.0)
    assert np.isfinite(late).all()
    with pytest.raises(ValueError, match="has one noise level"):
        TRUTH.denoiser(sf.schedules.Single(0.1)).vlb(x)


def test_what_makes_no_sense_is_refused():
    exact = TRUTH.denoiser(sf.schedules.VP())
    cases = [
        (lambda: exact.log_prob(POINTS[0]), r"x must have shape \(n, 2\), got \(2,\)"),
        (lambda: exact.log_prob(POINTS, t=1.5), "t must"),
        (lambda: exact.log_prob(POINTS, divergence="exactly"), "unknown divergence 'exactly'"),
        (lambda: exact.log_prob(POINTS, probes=0), "probes must be an integer"),
        (lambda: exact.log_prob(POINTS, rtol=0), "rtol must be a number"),
        (lambda: exact.log_prob(POINTS, atol=0), "atol must be a number"),
        (lambda: exact.vlb(POINTS, variance="learned"), "needs a model with learn_variance"),
        (lambda: exact.vlb(POINTS, variance="gamma"), "unknown variance 'gamma'"),
        (lambda: exact.bits_per_dim(POINTS, levels=1), "levels must be an integer >= 2"),
        (lambda: exact.log_prob(POINTS, labels=[1, 2]), "labels must have one entry for each of the 64 rows"),
    ]
    for call, text in cases:
        with pytest.raises(ValueError, match=text):
            call()
    nan = sf.Denoiser(lambda x, t: np.where(t[:, None] > 0.5, np.nan, 0.9 * x), sf.schedules.VP(), 2)
    with pytest.raises(sf.NonFiniteError, match=r"not finite at t = 0\.5\d* in sample [01]"):
        nan.log_prob(POINTS[:2])
    with pytest.raises(sf.NonFiniteError, match=r"not finite at t = .* in sample 0"):
        nan.vlb(POINTS[:2])


def test_a_density_that_float32_cannot_hold_is_minus_infinity():
    """log p of a point 1e30 away is -1e60; the other rows are what they are alone."""
    exact, near = TRUTH.denoiser(sf.schedules.VP()), POINTS[:2].astype(np.float32)
    found = exact.log_prob(np.vstack([near, [[1e30, 0.0]]]).astype(np.float32))
    assert found[2] == -np.inf
    assert np.array_equal(found[:2], exact.log_prob(near))


def test_a_bound_says_what_it_is():
    bound = Bound(np.ones(2), np.ones((2, 3)), np.full(2, -1.0), size=4)
    assert np.array_equal(bound.total, [3.0, 3.0])
    assert np.allclose(bound.bits_per_dim, 3 / 4 / np.log(2))
    assert repr(bound) == "Bound(2 samples, 3 terms, means in nats: total 3, prior 1, decoder -1)"


@pytest.mark.slow
def test_a_trained_model_knows_the_density_of_its_data():
    """Issue 6: within 0.1 nats of the truth on average."""
    model = sf.Diffusion(sf.MLP(2), sf.schedules.VP())
    model.fit(TRUTH.sample(20_000, seed=5), steps=8000, batch_size=512, lr=1e-3, progress=False)
    fresh = TRUTH.sample(500, seed=6)
    assert abs(np.mean(model.log_prob(fresh) - TRUTH.log_prob(fresh))) < 0.1


@pytest.mark.slow
def test_digits_cost_fewer_bits_than_guessing():
    """Story 10: the ODE's and the bound's bits per dimension are near each other and below log2(17)."""
    x, _ = sf.datasets.digits("train")
    test, _ = sf.datasets.digits("test")
    rng = np.random.default_rng(0)

    def fill(a):
        return (a + rng.uniform(-1 / 16, 1 / 16, a.shape)).astype(np.float32)

    vp = sf.Diffusion(sf.UNet((8, 8, 1), widths=(32, 64)), sf.schedules.VP())
    vp.fit(fill(np.repeat(x, 16, axis=0)), steps=4000, lr=1e-3, loss="likelihood", progress=False)
    ode = vp.bits_per_dim(test, levels=17)
    bound = vp.vlb(fill(test)).bits_per_dim + np.log2(16 / 2)
    assert ode.mean() < bound.mean() + 0.05 < np.log2(17)
    assert bound.mean() - ode.mean() < 0.5
