"""Time grids: ends, fall, equal steps, known examples."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schedule_cases import EVERY, Quadratic, name

from scorefield import grids
from scorefield.grids import Beta, Exponential, Karras, Leading, Linspace, LogSNR, PolyExponential, Trailing
from scorefield.grids import Quadratic as Roots
from scorefield.schedules import EDM, VE, VP, Geometric, Linear, RectifiedFlow, Single, Table

ALL = (
    Trailing(),
    Leading(),
    Linspace(),
    Roots(),
    LogSNR(),
    Karras(),
    Exponential(),
    PolyExponential(),
    PolyExponential(1.7),
    Beta(),
    Beta(2, 0.7),
)
NEED_SIGNAL = LogSNR | Karras | Exponential | PolyExponential
WHOLE = Trailing | Leading | Linspace  # count the entries of discrete schedules


def carries(schedule, grid):
    """Leading counts entries; log-SNR has no finite start where alpha is 0."""
    if isinstance(grid, Leading):
        return schedule.T is not None
    return schedule.alpha(schedule.t_max) > 0 or not isinstance(grid, NEED_SIGNAL)


@pytest.mark.parametrize("schedule", EVERY, ids=name)
@given(steps=st.integers(1, 40))
def test_grids_fall_strictly_from_the_noise_to_the_data(schedule, steps):
    for grid in ALL:
        if not carries(schedule, grid):
            continue
        if schedule.T is not None and steps > schedule.T and isinstance(grid, WHOLE):
            with pytest.raises(ValueError, match=f"this schedule has {schedule.T} steps"):
                grid(schedule, steps)
            continue
        times = grid(schedule, steps)
        assert times.shape == (steps + 1,)
        assert times.dtype == np.float64
        assert (np.diff(times) < 0).all()
        assert times[-1] == 0
        assert isinstance(grid, Leading) or times[0] == schedule.t_max
        if schedule.T is not None and isinstance(grid, WHOLE):
            assert (times == np.round(times)).all()
        if schedule.T is not None or not isinstance(grid, Trailing | Linspace):
            assert times[-2] >= schedule.t_min  # no network is asked below


@pytest.mark.parametrize("schedule", [s for s in EVERY if s.T is None or s.T >= 50], ids=name)
@given(steps=st.integers(1, 12), share=st.floats(0.02, 0.7))
def test_grids_end_at_t_end(schedule, steps, share):
    """steps + 1 times within [t_end, t_max], both ends exact."""
    end = schedule.t_min + share * (schedule.t_max - schedule.t_min)
    for make in (Trailing, Linspace, Roots, LogSNR, Karras, Exponential, PolyExponential, Beta):
        if carries(schedule, make()):
            times = make(t_end=end)(schedule, steps)
            assert times[0] == schedule.t_max
            assert times[-1] == end
            assert len(times) == steps + 1
            assert (np.diff(times) < 0).all()


@pytest.mark.parametrize("schedule", [s for s in EVERY if s.T is not None], ids=name)
def test_one_step_for_each_entry_is_every_entry(schedule):
    for grid in (Trailing(), Leading(), Linspace()):
        np.testing.assert_array_equal(grid(schedule, schedule.T), np.arange(schedule.T, -1, -1))


def test_the_examples_of_lin_et_al():
    """Lin et al. 2023, table 2, whose timestep k is our k + 1."""
    schedule = Linear(1000)
    np.testing.assert_array_equal(Trailing()(schedule, 10), np.arange(1000, -1, -100))
    np.testing.assert_array_equal(Leading()(schedule, 10), [*range(901, 0, -100), 0])
    np.testing.assert_array_equal(Leading(offset=1)(schedule, 10), [*range(902, 0, -100), 0])
    np.testing.assert_array_equal(Linspace()(schedule, 10), [*(np.round(np.linspace(999, 0, 10)) + 1), 0])


@pytest.mark.parametrize("steps", [3, 7, 16, 32, 48, 50, 77])
def test_rounding_is_numpys(steps):
    """Halves go to the even timestep: in t for trailing, in t - 1 for linspace, as in diffusers' samplers."""
    schedule = Linear(1000)
    trailing = np.round(1000 - 1000 / steps * np.arange(steps))
    np.testing.assert_array_equal(Trailing()(schedule, steps)[:-1], trailing)
    np.testing.assert_array_equal(Linspace()(schedule, steps)[:-1], np.round(np.linspace(999, 0, steps)) + 1)


def test_each_takes_the_equal_steps_that_it_promises():
    schedule = VP()
    for grid, value in (
        (Linspace(), lambda t: t),
        (Roots(0.01), np.sqrt),
        (LogSNR(0.01), schedule.log_snr),
        (Exponential(0.01), schedule.log_snr),
        (Karras(5, 0.01), lambda t: schedule.snr(t) ** -0.1),
        (PolyExponential(1, 0.01), schedule.log_snr),
    ):
        steps = np.diff(value(grid(schedule, 9)))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-9, err_msg=repr(grid))


def test_karras_on_edm_is_the_papers_formula():
    i, n, rho = np.arange(18), 18, 7
    sigmas = (80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
    np.testing.assert_allclose(Karras()(EDM(), n), [*sigmas, 0], rtol=1e-12)
    np.testing.assert_allclose(Karras(rho=1)(EDM(), 5)[:-1], np.linspace(80, 0.002, 5), rtol=1e-12)


def test_polyexponential_on_edm_is_its_formula():
    """log sigma is a power of equal steps between the ends."""
    low, high = np.log(0.002), np.log(80)
    for rho in (0.5, 1, 3):
        sigmas = np.exp(low + (high - low) * np.linspace(1, 0, 11) ** rho)
        np.testing.assert_allclose(PolyExponential(rho)(EDM(), 11), [*sigmas, 0], rtol=1e-12)


def test_beta_takes_the_quantiles_of_scipy():
    special = pytest.importorskip("scipy.special")
    draw = np.random.default_rng(0)
    for alpha, beta in np.exp(draw.uniform(np.log(0.3), np.log(50), (60, 2))):
        steps = int(draw.integers(1, 40))
        quantiles = special.betaincinv(alpha, beta, np.linspace(1, 0, steps + 1))
        # both are good to 1e-13 where the density is not steep; a quantile near 1 takes the rounding of 1 - p
        np.testing.assert_allclose(Beta(alpha, beta, 0.5)(VP(), steps), 0.5 + 0.5 * quantiles, rtol=1e-12)


def test_beta_has_closed_forms():
    u = np.linspace(1, 0, 14)
    np.testing.assert_allclose(Beta(0.5, 0.5, 0.1)(VP(), 13), 0.1 + 0.9 * np.sin(np.pi / 2 * u) ** 2, rtol=1e-13)
    np.testing.assert_allclose(Beta(2, 1, 0.1)(VP(), 13), 0.1 + 0.9 * np.sqrt(u), rtol=1e-13)  # I_x(2, 1) = x^2
    np.testing.assert_allclose(Beta(1, 1)(Linear(), 13)[:-1], np.linspace(1000, 1, 13), rtol=1e-13)


def test_the_default_grid_of_each_kind():
    assert grids.default_grid(Linear()) == Trailing()
    assert grids.default_grid(EDM()) == grids.default_grid(VE()) == Karras()
    assert (
        grids.default_grid(VP()) == grids.default_grid(RectifiedFlow()) == grids.default_grid(Quadratic()) == Linspace()
    )
    ladder = Geometric(7, 0.01, 1)
    np.testing.assert_array_equal(grids.default_grid(ladder)(ladder, 7), np.arange(7, -1, -1))  # every rung


def test_grids_are_constants():
    for grid in ALL:
        assert eval(repr(grid), vars(grids).copy()) == grid
        assert pickle.loads(pickle.dumps(grid)) == grid
        assert hash(grid) == hash(pickle.loads(pickle.dumps(grid)))
        with pytest.raises(AttributeError):
            grid.t_end = 1
    assert Karras(7) == Karras(rho=7.0)
    assert Karras() != Karras(5)


def test_resolve_times_takes_grids_names_and_arrays():
    schedule = VP()
    np.testing.assert_array_equal(grids.resolve_times(None, schedule, None, 4), Linspace()(schedule, 4))
    np.testing.assert_array_equal(grids.resolve_times("log_snr", schedule, 3, 4), LogSNR()(schedule, 3))
    np.testing.assert_array_equal(grids.resolve_times([1, 0.5, 0], schedule, None, 4), [1, 0.5, 0])
    with pytest.raises(ValueError, match="steps=3 cannot be given as well"):
        grids.resolve_times([1, 0.5, 0], schedule, 3, 4)
    with pytest.raises(ValueError, match="unknown grid 'karas'; did you mean 'karras'"):
        grids.resolve_times("karas", schedule, 3, 4)
    with pytest.raises(ValueError, match=r"must fall, but entry 2 is 0\.6 after 0\.5"):
        grids.resolve_times([1, 0.5, 0.6], schedule, None, 4)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
        grids.resolve_times([2, 0.5], schedule, None, 4)
    for bad, message in (
        ([1, 0.5, np.nan], "non-finite"),
        ([1, 0.5, 0.5], "entry 2 is 0.5 after 0.5"),
        ([0, 0.5, 1], "entry 1 is 0.5 after 0"),
        ([1, -0.5], r"must lie in 0\.\.1, got 1 to -0\.5"),
        ([0.5], "at least 2 entries"),
        ([[1, 0.5]], "shape"),
        ([], "empty"),
    ):
        with pytest.raises(ValueError, match=message):
            grids.resolve_times(bad, schedule, None, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Linspace(t_end=-1), ValueError, "t_end must be a number >= 0, got -1"),
        (lambda: Linspace(t_end="end"), TypeError, "t_end must be a number"),
        (lambda: Leading(offset=-1), ValueError, "offset must be an integer >= 0"),
        (lambda: Karras(rho=0), ValueError, "rho must be a number > 0"),
        (lambda: PolyExponential(rho=-1), ValueError, "rho must be a number > 0"),
        (lambda: Beta(alpha=0), ValueError, "alpha must be a number > 0"),
        (lambda: Beta(beta=2000), ValueError, r"must lie in \(0, 1000\], got 0\.6 and 2000"),
        (lambda: Beta("a"), TypeError, "alpha must be a number"),
        (lambda: PolyExponential()(RectifiedFlow(), 3), ValueError, "alpha is 0 at t_max"),
        (lambda: Linspace()(VP(), 0), ValueError, "steps must be an integer >= 1, got 0"),
        (lambda: Linspace()(VP(), 2**40), ValueError, "at most 10 million"),
        (lambda: Linspace()(VP(), 2.5), TypeError, "steps must be an integer"),
        (lambda: Linspace()("vp", 3), TypeError, "schedule must be a Schedule, got str"),
        (lambda: Linspace(t_end=1)(VP(), 3), ValueError, r"t_end must lie in 0\.\.1"),
        (lambda: LogSNR()(RectifiedFlow(), 3), ValueError, "use Linspace, Trailing, Quadratic or Beta"),
        (lambda: Leading()(VP(), 3), ValueError, "for continuous time use Linspace"),
        (lambda: Trailing()(Table(betas=[0.5, 0.99]), 3), ValueError, "this schedule has 2 steps"),
        (lambda: Trailing()(Single(0.1), 3), ValueError, "Langevin"),
    ],
)
def test_bad_requests_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
