"""Every deterministic sampler has its order, on three kinds of process in 2 and 64 dimensions: docs/samplers.md.

Median errors at 252 and 504 steps; a slope may fall short of its claim by 0.15.
"""

from itertools import pairwise

import numpy as np
import order_table
import pytest

import scorefield as sf
from scorefield import samplers as S  # noqa: N812 - as story 04 has it

COLUMNS = [(process, dimension) for process in order_table.PROCESSES for dimension in (2, 64)]


@pytest.mark.parametrize(("process", "dimension"), COLUMNS, ids=str)
def test_every_solver_has_its_order_and_the_page_says_so(process, dimension):
    """The page's figures are those of this machine to 0.1: errors near 1e-9 have rounding in them."""
    page = order_table.table_of(order_table.PAGE.read_text())
    assert list(page) == [repr(sampler) for sampler in order_table.CLAIMS]
    rows = order_table.measured(process, dimension, list(order_table.CLAIMS))
    column = COLUMNS.index((process, dimension))
    short = {}
    for row, claim in zip(rows, order_table.CLAIMS.values(), strict=True):
        if not row.measured_order > claim - 0.15:
            short[repr(row.sampler)] = row.measured_order
        told, orders, calls = page[repr(row.sampler)]
        assert told == claim >= min(row.order, claim)
        assert orders[column] == pytest.approx(row.measured_order, abs=0.1), row.sampler
        assert int(calls.split(",")[0]) == row.sampler.calls
    assert not short


def test_the_orders_of_story_04():
    """Between 64 and 128 steps each error falls at its stated order or faster, less 0.5."""
    exact = order_table.modes(2).denoiser(sf.schedules.VP())
    ode = [S.DDIM(), S.Heun(), S.DPM2(), S.DPMSolver(2), S.DPMSolver(3), S.DPMSolverPP(2), S.DPMSolverPP(3)]
    ode += [S.DPMSolverPP(2, variant="singlestep"), S.DEIS(2), S.DEIS(3), S.UniPC(2), S.UniPC(3), S.LMS(4), S.PNDM()]
    table = sf.metrics.convergence(exact, ode, steps=(64, 128), grid=sf.grids.LogSNR(t_end=0.01), n=400, seed=0)
    for row in table:
        assert row.measured_order > row.order - 0.5, row


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        (S.DPMSolverPP(2, stochastic=True), 100),
        (S.DPMSolverPP(3, stochastic=True), 100),
        (S.DPMSolverPP(2, variant="singlestep", stochastic=True), 100),
        (S.DPM2(ancestral=True), 100),
        (S.Heun(S_churn=20), 100),
    ],
    ids=repr,
)
def test_stochastic_forms_of_solvers_find_the_mixture(sampler, steps):
    """Story 04: mode weights within 0.02 from 20 000 draws (4 standard errors and more); spreads within 6 %."""
    truth = order_table.modes(2)
    x = truth.denoiser(sf.schedules.VP()).sample(20_000, sampler=sampler, steps=steps, grid="log_snr", seed=1)
    assert np.abs(truth.mode_weights(x) - truth.weights).max() < 0.02
    spread = [x[truth.component(x) == k].std(0).mean() for k in range(3)]
    assert np.allclose(spread, truth.stds[:, 0], rtol=0.06)


def test_flow_matching_by_euler_is_the_plain_update():
    """On a rectified flow DDIM is x += (s - t) v, from t = 1, where alpha is 0, to t = 0."""
    exact = order_table.modes(2).denoiser(sf.schedules.RectifiedFlow())
    times = np.linspace(1, 0, 21)
    x_T = sf.normal((50, 2), seed=1, dtype=np.float64)
    x = x_T
    for t, s in pairwise(times):
        x = x + (s - t) * exact.flow(x, t)
    for sampler in (S.Euler(), S.DDIM(), S.DPMSolver(1), S.DPMSolverPP(1), S.LMS(1), S.DEIS(1)):
        assert np.allclose(exact.sample(x_T=x_T, sampler=sampler, grid=times), x, rtol=0, atol=1e-12)


class Quarter(sf.Schedule):
    """A quarter of a circle, as one writes it: its last alpha is cos(pi / 2) = 6e-17, which stands for 0."""

    t_min, t_max = 1e-3, 1.0

    def alpha(self, t):
        return np.cos(np.pi / 2 * t)

    def sigma(self, t):
        return np.sin(np.pi / 2 * t)


def test_an_alpha_of_rounding_errors_is_none():
    """One's own samplers see it too; grids even in log-SNR say what is wrong; orders are those of other schedules."""
    exact, seen = order_table.modes(2).denoiser(Quarter()), []

    class Looks(sf.Sampler):
        def step(self, k):
            seen.append(k.t.alpha)
            return k.s.alpha * k.x0 + k.s.sigma * (k.x - k.t.alpha * k.x0) / k.t.sigma

    exact.sample(2, sampler=Looks(), steps=4)
    assert seen[0] == 0 < seen[1]
    with pytest.raises(ValueError, match=r"alpha is 6\.\d*e-17 at t_max, so log_snr is infinite there, or as good"):
        exact.sample(2, steps=40, grid="karras")
    grid = sf.grids.Linspace(t_end=0.05)
    for row in sf.metrics.convergence(exact, [S.DDIM(), S.Heun(form="time")], steps=(64, 128), grid=grid, n=64):
        assert row.measured_order == pytest.approx(row.order, abs=0.2)
    with pytest.raises(ValueError, match="alpha is 0 at t = 1, so x0 cannot be found from eps"):
        sf.Denoiser(lambda x, t: x, Quarter(), 2, prediction="eps").sample(2)


@pytest.mark.parametrize("sampler", list(order_table.CLAIMS), ids=repr)
def test_every_solver_goes_from_no_signal_to_no_noise(sampler):
    """Flow from t = 1 and zero terminal SNR, to t = 0: one step gives the mean of the data, 40 the three modes."""
    truth = order_table.modes(2)
    for schedule in (sf.schedules.RectifiedFlow(), sf.schedules.Linear(1000).zero_terminal_snr(), Quarter()):
        exact = truth.denoiser(schedule)
        x_T = sf.normal((400, 2), seed=2, dtype=np.float64)
        assert np.allclose(exact.sample(x_T=x_T, sampler=sampler, steps=1), truth.weights @ truth.means, atol=1e-12)
        x = exact.sample(x_T=x_T, sampler=sampler, steps=40)
        assert np.isfinite(x).all()
        assert np.abs(truth.mode_weights(x) - truth.weights).max() < 5 * np.sqrt(0.25 / 400) + 0.02
    x = truth.denoiser(sf.schedules.Cosine(20)).sample(x_T=x_T, sampler=sampler, steps=20)  # S = T
    assert np.isfinite(x).all()


def test_settings_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"order must be an integer in 1\.\.4, got 5"):
        S.LMS(5)
    for kind in (S.DPMSolver, S.DPMSolverPP, S.DEIS, S.UniPC):
        with pytest.raises(ValueError, match=r"order must be an integer in 1\.\.3, got 0"):
            kind(0)
    with pytest.raises(ValueError, match=r"unknown B 'bh3'.*Known: bh1, bh2"):
        S.UniPC(2, "bh3")
    with pytest.raises(ValueError, match='words of variant="multistep"; leave them out'):
        S.DPMSolver(2, solver="heun")
    with pytest.raises(ValueError, match='between is a word of variant="singlestep"; leave it out'):
        S.DPMSolverPP(2, between="grid")
    with pytest.raises(ValueError, match='half_d2 is a word of variant="multistep"'):
        S.DPMSolverPP(3, "singlestep", between="grid", half_d2=True)
    with pytest.raises(ValueError, match="between even steps of log-SNR; got order 2, between 'grid'"):
        S.DPMSolverPP(2, "singlestep", stochastic=True, between="grid")
    with pytest.raises(ValueError, match='form="time" has no churn, got S_churn 3'):
        S.Heun(3, form="time")
    with pytest.raises(ValueError, match=r"unknown predicts 'v'\. Known: data, noise"):
        S.UniPC(predicts="v")
    with pytest.raises(ValueError, match=r"uncorrected must be an integer in 0\.\..*, got -1"):
        S.UniPC(uncorrected=[-1])
    with pytest.raises(TypeError, match='uncorrected must be "all" or numbers of steps, got 3'):
        S.UniPC(uncorrected=3)
    with pytest.raises(ValueError, match="the stochastic single-step form has order 2 only"):
        S.DPMSolverPP(3, variant="singlestep", stochastic=True)
    with pytest.raises(TypeError, match="ancestral must be True or False, got str 'yes'"):
        S.DPM2("yes")
    exact = order_table.modes(2).denoiser(sf.schedules.VP())
    with pytest.raises(ValueError, match="fall"):
        exact.sample(2, sampler=S.UniPC(), grid=[1.0, 0.3, 0.4, 0.0])
    bad = sf.Denoiser(lambda x_t, t: x_t + np.where(t < 0.5, np.nan, 0)[:, None], sf.schedules.VP(), 2)
    with pytest.raises(sf.NonFiniteError, match="step 3 of 4"):
        bad.sample(2, sampler=S.LMS(), grid=[1.0, 0.8, 0.4, 0.2, 0.0])
