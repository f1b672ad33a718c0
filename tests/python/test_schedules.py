"""Noise schedules: closed forms, known numbers, and the manners of a constant object."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_cases import EVERY, KNOWN, Power, Quadratic, name

import scorefield as sf
from scorefield import schedules
from scorefield.schedules import (
    EDM,
    VE,
    VP,
    Cosine,
    Geometric,
    Linear,
    RectifiedFlow,
    ScaledLinear,
    Sigmoid,
    Single,
    Table,
)

FUNCTIONS = ("alpha", "sigma", "alpha_bar", "beta", "snr", "log_snr", "half_log_snr", "f", "g2")
each = pytest.mark.parametrize("schedule", EVERY, ids=name)
each_known = pytest.mark.parametrize("schedule", [*KNOWN, Single(0.3)], ids=name)


@each
def test_the_laws_of_a_schedule_hold(schedule):
    sf.testing.check_schedule(schedule)


@each
def test_a_scalar_gives_a_float_and_an_array_its_shape_in_float64(schedule):
    t = np.linspace(schedule.t_min, 0.9 * schedule.t_max, 6)
    for function in FUNCTIONS:
        of = getattr(schedule, function)
        assert isinstance(float(of(float(t[2]))), float)
        assert np.ndim(of(float(t[2]))) == 0
        for shape in ((6,), (2, 3), (1, 6)):
            values = np.asarray(of(t.reshape(shape)))
            assert values.shape == shape
            assert values.dtype == np.float64
            np.testing.assert_allclose(values.ravel()[2], of(float(t[2])), rtol=1e-14)  # vector and scalar functions


@each
def test_at_gives_all_of_it_together(schedule):
    t = np.linspace(schedule.t_min, 0.9 * schedule.t_max, 5)
    level = schedule.at(t)
    for function in FUNCTIONS:
        np.testing.assert_allclose(
            getattr(level, function), getattr(schedule, function)(t), rtol=1e-12, err_msg=function
        )
    one = schedule.at(float(t[1]))
    assert isinstance(one.t, float)
    assert np.ndim(one.alpha) == 0
    assert one.log_snr == pytest.approx(level.log_snr[1], rel=1e-12)
    assert schedule.at(0.0).snr == np.inf


@each
def test_equality_hash_pickle_and_copy(schedule):
    schedule.at(schedule.t_min)  # the core's object is made: it must not travel along
    for twin in (pickle.loads(pickle.dumps(schedule)), copy.copy(schedule), copy.deepcopy(schedule)):
        assert twin == schedule
        assert hash(twin) == hash(schedule)
        assert twin.alpha(schedule.t_max / 2) == schedule.alpha(schedule.t_max / 2)
    assert schedule != EDM(sigma_data=0.123)
    assert schedule != "linear"


@each_known
def test_repr_is_the_constructor_call(schedule):
    again = eval(repr(schedule), vars(schedules).copy())
    assert again == schedule
    assert repr(again) == repr(schedule)


@each_known
def test_known_schedules_are_frozen(schedule):
    with pytest.raises(AttributeError):
        schedule.T = 3
    with pytest.raises(AttributeError):
        schedule.beta_min = 3


def test_equal_settings_are_equal_whatever_type_they_had():
    assert Linear(np.int64(1000), np.float64(1e-4)) == Linear(1000, 1e-4)
    assert len({VP(), VP(0.1, 20), VP(0.1, 10)}) == 2
    assert Table(betas=(0.5, 0.99)) == Table(betas=np.array([0.5, 0.99]))
    assert Quadratic() == Quadratic()
    assert Power(1.0) != Power(2.0)
    assert repr(Power(1.5)) == "Power(power=1.5)"
    assert repr(Quadratic()) == "Quadratic()"


# ---- known numbers


def test_alpha_bar_at_the_end_in_the_published_settings():
    assert Linear(1000).alpha_bar(1000) == pytest.approx(4.036e-5, rel=1e-3)
    assert ScaledLinear(1000).alpha_bar(1000) == pytest.approx(4.660e-3, rel=1e-3)
    assert Cosine(1000).alpha_bar(1000) == pytest.approx(2.429e-9, rel=1e-3)


def test_where_half_of_the_variance_is_noise():
    halves = [schedule.time_of(log_snr=0.0) / 1000 for schedule in (Linear(), ScaledLinear(), Cosine())]
    np.testing.assert_allclose(halves, [0.26, 0.35, 0.50], atol=5e-3)
    assert Linear().time_of(log_snr=0.0) / 1000 == pytest.approx(0.259, abs=2e-3)


def test_a_table_of_the_betas_is_the_schedule():
    linear = Linear(1000)
    table = Table(betas=linear.beta(np.arange(1.0, 1001)))
    t = np.linspace(0, 1000, 37)
    np.testing.assert_allclose(table.alpha(t), linear.alpha(t), rtol=1e-11)  # betas come back from differences
    bars = Table(alpha_bars=linear.alpha_bar(np.arange(1.0, 1001)))
    np.testing.assert_allclose(bars.sigma(t[1:]), linear.sigma(t[1:]), rtol=1e-11)


def test_alpha_bar_is_the_running_product_of_one_minus_beta():
    """Theory (4); alpha_t is its root: papers that write alpha for the product mean our alpha_bar."""
    betas = np.linspace(0.01, 0.6, 20)
    schedule = Table(betas=betas)
    np.testing.assert_allclose(schedule.alpha_bar(np.arange(1, 21)), np.cumprod(1 - betas), rtol=1e-13)
    np.testing.assert_allclose(schedule.alpha(np.arange(1, 21)) ** 2, np.cumprod(1 - betas), rtol=1e-13)
    np.testing.assert_allclose(schedule.beta(np.arange(1, 21)), betas, rtol=1e-13)


def test_geometric_is_a_table_of_its_sigmas():
    ladder = Geometric(10, 0.01, 1.0)
    assert ladder.sigma(1) == pytest.approx(0.01, rel=1e-14)
    table = Table(sigmas=np.geomspace(0.01, 1, 10))
    np.testing.assert_allclose(ladder.sigma([1, 2.5, 10]), table.sigma([1, 2.5, 10]), rtol=1e-13)


def test_the_lectures_exponential_sde():
    schedule = VE(0.5**0.5, np.e * 0.5**0.5)
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(schedule.g2(t), np.exp(2 * t), rtol=1e-13)
    np.testing.assert_allclose(schedule.sigma(t) ** 2, np.expm1(2 * t) / 2, rtol=1e-13)


def test_t_min_and_t_max():
    assert (Linear().T, Linear().t_min, Linear().t_max) == (1000, 1, 1000)
    for schedule in (VP(), schedules.SubVP(), RectifiedFlow()):
        assert (schedule.T, schedule.t_min, schedule.t_max) == (None, 1e-3, 1)
    assert (EDM().T, EDM().t_min, EDM().t_max) == (None, 0.002, 80)
    assert VE().sigma(VE().t_min) == pytest.approx(0.01, rel=1e-12)
    assert Table(sigmas=[1, 2, 3]).T == 3


def test_one_sigma_at_every_time():
    schedule = Single(0.25)
    assert np.all(schedule.sigma(np.linspace(0, 1, 5)) == 0.25)
    assert schedule.alpha(0.3) == 1
    assert repr(schedule) == "Single(sigma=0.25)"
    with pytest.raises(ValueError, match="same noise level"):
        schedule.time_of(log_snr=0)


# ---- inverse


@each
@given(u=st.floats(0, 0.99))
def test_time_of_inverts_log_snr_at_any_time(schedule, u):
    t = schedule.t_min + u * (schedule.t_max - schedule.t_min)
    # log_snr near 0 noise keeps 16 digits; where alpha is small d log_snr / dt is large: both well conditioned
    assert schedule.time_of(log_snr=schedule.log_snr(t)) == pytest.approx(t, rel=1e-9)


def test_time_of_beyond_the_end_is_refused_and_infinity_is_the_data():
    assert Linear().time_of(log_snr=np.inf) == 0
    assert Quadratic().time_of(log_snr=np.inf) == 0
    assert Linear().time_of(log_snr=[[0.0, 1.0]]).shape == (1, 2)
    for schedule in (Linear(), Quadratic()):
        with pytest.raises(ValueError, match=r"ends at log_snr = -.*no time has log_snr = -40"):
            schedule.time_of(log_snr=-40)
    with pytest.raises(ValueError, match="log_snr = nan"):
        Linear().time_of(log_snr=np.nan)
    with pytest.raises(TypeError, match="log_snr"):
        Linear().time_of(log_snr="high")


# ---- what is wrong with a schedule


def test_linear_with_too_few_steps_is_flagged_at_the_line_that_made_it():
    with pytest.warns(sf.ScheduleWarning, match=r"snr = 0\.57.*zero_terminal_snr") as caught:
        short = Linear(100)
    assert caught[0].filename == __file__
    assert short.alpha_bar(100) == pytest.approx(0.364, abs=5e-4)
    assert short.zero_terminal_snr().alpha(100) == 0
    with pytest.warns(sf.ScheduleWarning):
        Table(betas=[0.1, 0.1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(short))  # said once
        Linear(100, 1e-3, 0.2)  # scaled by 1000/T
        Table(sigmas=[0.1, 0.2])


def test_zero_terminal_snr_keeps_its_first_step_and_is_idempotent():
    """Lin et al. 2023: sqrt(alpha_bar) is shifted and scaled, nothing else."""
    linear = Linear()
    zero = linear.zero_terminal_snr()
    assert isinstance(zero, Table)
    assert zero.alpha(1000) == 0
    assert zero.sigma(1000) == 1
    assert zero.alpha_bar(1) == pytest.approx(linear.alpha_bar(1), rel=1e-15)
    assert zero.zero_terminal_snr() is zero
    slope, _ = np.polyfit(linear.alpha(np.arange(1.0, 1001)), zero.alpha(np.arange(1.0, 1001)), 1)
    np.testing.assert_allclose(
        zero.alpha([1, 300, 700]), slope * (linear.alpha([1, 300, 700]) - linear.alpha(1000)), rtol=1e-12
    )
    for schedule in (VP(), EDM(), Table(sigmas=[0.1, 0.5]), Geometric(3, 0.1, 1), Quadratic()):
        with pytest.raises(ValueError, match="defined for discrete VP schedules"):
            schedule.zero_terminal_snr()


def test_the_diagnosis_names_what_matters():
    fine = Linear().diagnose()
    assert fine.advice == ""
    assert fine.terminal_snr == pytest.approx(4.036e-5, rel=1e-3)
    assert fine.gain == pytest.approx(1 / Linear().alpha(1000))
    assert fine.alpha_bar_1 == pytest.approx(1 - 1e-4)
    assert "terminal snr 4.04e-05" in str(fine)
    cosine = Cosine(1000).diagnose()
    assert cosine.clipped_betas == 1
    assert cosine.gain == pytest.approx(20_000, rel=0.02)
    assert "1 clipped beta" in str(cosine)
    assert "v or x0" in cosine.advice
    assert Sigmoid(1000).diagnose().clipped_betas == 1
    assert Cosine(1000, beta_clip=0.01).diagnose().clipped_betas > 100
    assert "alpha is 0" in Linear().zero_terminal_snr().diagnose().advice
    assert "larger last sigma" in Geometric(5, 0.1, 2.0).diagnose().advice
    assert Single().diagnose().advice == ""


def test_the_diagnosis_counts_clipped_betas_that_are_more_than_the_end():
    assert "clipped, so the formula is left" in Cosine(1000, beta_clip=0.01).diagnose().advice
    assert "clipped" not in Cosine(1000).diagnose().advice


@pytest.mark.parametrize(
    ("schedule", "grid", "steps", "found"),
    [
        (EDM(), "linspace", 20, r"A gap: the step from t = 4 to 0 turns 98% of the variance"),
        (Linear(), [1000, 900, 50, 0], None, r"A gap: the step from t = 900 to 50"),
        (Linear(), "leading", 2, r"begins at t = 501 with snr = 0\.08.*begin at t_max = 1000, or give x_T"),
        (Linear(), [1000, 500, 200], None, r"ends at t = 200, where noise of deviation 0\.7\d is left: end it at 0"),
        (VP(), "quadratic", 20, None),
        (VP(), [1, 0], None, None),  # who takes one step knows
    ],
)
def test_the_diagnosis_finds_gaps_in_a_grid(schedule, grid, steps, found):
    """A gap is one step's share of all that noise turns into data: closed forms of the levels, no runs."""
    advice = schedule.diagnose(grid, steps).advice
    assert (advice == "") if found is None else re.search(found, advice)


@pytest.mark.parametrize("schedule", [s for s in KNOWN if s.T is None or s.T >= 10], ids=name)
def test_the_default_grid_has_no_gaps(schedule):
    found = schedule.diagnose(steps=10)
    assert 0.1 <= found.largest_step < 0.5
    assert "grid" not in found.advice
    assert "gap" not in found.advice
    assert f"largest step {found.largest_step:.2g}" in str(found)
    assert schedule.diagnose().largest_step is None


def test_the_largest_step_of_straight_paths():
    """Rectified flow with data of deviation 1 at t = 1, 1/2, 0: t^2 / (t^2 + (1 - t)^2) = 1, 1/2, 0."""
    assert RectifiedFlow().diagnose([1, 0.5, 0]).largest_step == pytest.approx(0.5, rel=1e-12)


def test_a_start_from_pure_noise_where_the_data_show_is_flagged_at_the_callers_line():
    exact = sf.GaussianMixture([[0.0]], stds=1.0).denoiser(Linear())
    with pytest.warns(sf.ScheduleWarning, match=r"begins at t = 501 with snr = 0\.08") as caught:
        exact.sample(2, grid="leading", steps=2)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact.sample(x_T=np.zeros((2, 1)), grid="leading", steps=2)  # who gives x_T knows where it lies
        exact.sample(2, grid="leading", steps=20)


# ---- schedules written in Python


def test_a_schedule_written_in_python_has_derivatives_and_an_inverse():
    schedule, t = Quadratic(), np.linspace(1e-3, 0.99, 50)
    np.testing.assert_allclose(schedule.f(t), -2 * t / (1 - t**2), rtol=1e-8)
    np.testing.assert_allclose(schedule.g2(t), 4 * t / (1 - t**2), rtol=1e-8)  # -2 f for a variance preserving one
    np.testing.assert_allclose(schedule.time_of(log_snr=schedule.log_snr(t)), t, rtol=1e-10)
    assert not schedule._core.exploding
    assert Power()._core.exploding
    np.testing.assert_allclose(Power(1.5).g2([0.5, 2.0]), 3 * np.array([0.5, 2.0]) ** 2, rtol=1e-8)


def test_a_schedule_written_in_python_equals_the_built_in_one():
    class MyVP(sf.Schedule):
        t_min, t_max = 1e-3, 1.0

        def alpha(self, t):
            return np.exp(-(t**2) * 19.9 / 4 - t * 0.05)

        def sigma(self, t):
            return np.sqrt(-np.expm1(-(t**2) * 19.9 / 2 - t * 0.1))

    t = np.linspace(1e-3, 1, 30)
    for function in FUNCTIONS:
        np.testing.assert_allclose(
            getattr(MyVP(), function)(t), getattr(VP(), function)(t), rtol=1e-8, err_msg=function
        )


def test_incomplete_or_wrong_schedules_say_what_is_missing():
    class NoSigma(sf.Schedule):
        def alpha(self, t):
            return 1 - t

    with pytest.raises(TypeError, match="sigma"):
        NoSigma()

    class NoTimes(NoSigma):
        def sigma(self, t):
            return t

    with pytest.raises(TypeError, match=r"must have t_min"):
        NoTimes().log_snr(0.5)

    class Negative(NoTimes):
        t_min, t_max = 1e-3, 1.0

        def sigma(self, t):
            return -t

    with pytest.raises(ValueError, match=r"sigma\(t\) must be finite and >= 0, got -0.5 at t = 0.5"):
        Negative().log_snr(0.5)

    class Upwards(sf.Schedule):
        t_min, t_max = 0.01, 0.99

        def alpha(self, t):
            return t

        def sigma(self, t):
            return 1 - t

    with pytest.raises(ValueError, match=r"must fall, .* 0.01 / 0.99 at t_min to 0.99 / 0.01 at t_max; is its time"):
        sf.GaussianMixture([[0.0]], stds=1.0).denoiser(Upwards()).sample(2)


def test_an_exception_in_a_users_schedule_arrives_unchanged():
    class Broken(Quadratic):
        def sigma(self, t):
            raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        Broken().time_of(log_snr=0.0)


@pytest.mark.parametrize(
    ("law", "alpha", "sigma"),
    [
        ("alpha\\(0\\) = 1", lambda t: 0.9 - 0.5 * t, lambda t: t),
        ("snr falls strictly", lambda t: 1 - 0.5 * t, lambda t: t * (1 - t) + 1e-9 * t),
        ("has the shape of t", lambda t: np.ones((2, 2)) if np.ndim(t) else 1.0, lambda t: t),
        ("is finite", lambda t: 1 - 0.5 * t, lambda t: np.where(t > 0.5, np.nan, t)),
        ("the same for a number", lambda t: 1 - 0.5 * t, lambda t: t * (1.1 if np.ndim(t) else 1.0)),
    ],
)
def test_check_schedule_names_the_broken_law(law, alpha, sigma):
    broken = type(
        "Mine",
        (sf.Schedule,),
        {"t_min": 1e-3, "t_max": 1.0, "alpha": lambda _, t: alpha(t), "sigma": lambda _, t: sigma(t)},
    )
    with pytest.raises(AssertionError, match=law):
        sf.testing.check_schedule(broken())


def test_check_schedule_finds_wrong_derivatives():
    class Wrong(Quadratic):
        def g2(self, t):
            return 2 * super().g2(t)

    with pytest.raises(AssertionError, match="g2 = d sigma"):
        sf.testing.check_schedule(Wrong())
    with pytest.raises(TypeError, match="must be a Schedule"):
        sf.testing.check_schedule("linear")


# ---- bad input


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Linear(0), ValueError, r"T must be an integer in 1\.\.1000000, got 0"),
        (lambda: Linear(2**40), ValueError, "T must be an integer in"),
        (lambda: Linear(10.5), TypeError, "T must be an integer"),
        (lambda: Linear(True), TypeError, "bool"),
        (lambda: Linear(1000, 0.02, 1e-4), ValueError, "0 < beta_min <= beta_max < 1, got 0.02 and 0.0001"),
        (lambda: Linear(1000, "a"), TypeError, "beta_min must be a number"),
        (lambda: Cosine(1000, beta_clip=1), ValueError, "beta_clip"),
        (lambda: Cosine(1000, s=np.nan), ValueError, "s must be a number"),
        (lambda: Sigmoid(1000, start=3, end=-3), ValueError, "start must be less than end"),
        (lambda: Geometric(1, 0.1, 1), ValueError, r"T must be an integer in 2\.\."),
        (lambda: Geometric(5, 1, 0.1), ValueError, "0 < sigma_min < sigma_max"),
        (lambda: VP(beta_min=0), ValueError, "0 < beta_min"),
        (lambda: VE(sigma_min=np.inf), ValueError, "sigma_min must be a number"),
        (lambda: EDM(sigma_data=0), ValueError, "sigma_data"),
        (lambda: RectifiedFlow(-1), ValueError, "shift must be > 0"),
        (lambda: Single(-0.1), ValueError, "sigma must be a number >= 0"),
        (lambda: Table(), ValueError, "exactly one of betas, alpha_bars, sigmas, got none"),
        (lambda: Table(betas=[0.1], sigmas=[0.1]), ValueError, "got betas and sigmas"),
        (lambda: Table(betas=[0.1, 1.2]), ValueError, "the one of t = 2 is 1.2"),
        (lambda: Table(betas=[[0.1]]), ValueError, "betas must have shape"),
        (lambda: Table(betas=[]), ValueError, "betas is empty"),
        (lambda: Table(sigmas=[0.5, 0.5]), ValueError, "sigmas must rise"),
        (lambda: Table(alpha_bars=[0.5, 0.6]), ValueError, "alpha_bars must fall"),
        (lambda: Table(alpha_bars=[0.5, np.nan]), ValueError, "non-finite"),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@each
@pytest.mark.parametrize("t", [-1e-9, np.inf, -np.inf, np.nan], ids=str)
def test_times_outside_the_schedule_are_refused(schedule, t):
    for function in FUNCTIONS:
        if function in ("alpha", "sigma") and schedule not in KNOWN:
            continue  # the user's own
        with pytest.raises(ValueError, match=r"t must lie in 0\.\.\S+ \(0 is the data\), got"):
            getattr(schedule, function)([0.5 * schedule.t_max, t])
    with pytest.raises(ValueError, match="must lie in"):
        schedule.at(schedule.t_max * 1.01)


def test_times_that_are_no_numbers_are_refused():
    for bad in ("1", [None], True, 1j, [[1], [1, 2]]):
        with pytest.raises((TypeError, ValueError), match="t"):
            VP().alpha(bad)
