"""The table of orders: its reference is the solution, its errors and calls are what they are called."""

import numpy as np
import pytest

import scorefield as sf
from scorefield.convergence import solution_times
from scorefield.samplers import DDIM, DPMSolver, Heun

QUICK = {"steps": (8, 16), "grid": sf.grids.LogSNR(t_end=0.01), "n": 16}


def exact(schedule="vp"):
    return sf.GaussianMixture([[-1.0, 0.5], [1.0, -0.5]], stds=0.5).denoiser(
        sf.schedules.VP() if schedule == "vp" else schedule
    )


def closed_form(schedule, x, t, s, mean, std):
    """The ODE map of one Gaussian, theory 12: x_s = alpha_s mu + sqrt(V_s / V_t) (x_t - alpha_t mu)."""
    t, s = schedule.at(t), schedule.at(s)
    ratio = np.sqrt((s.alpha**2 * std**2 + s.sigma**2) / (t.alpha**2 * std**2 + t.sigma**2))
    return s.alpha * mean + ratio * (x - t.alpha * mean)


@pytest.mark.parametrize(
    "schedule",
    [sf.schedules.VP(), sf.schedules.VE(), sf.schedules.EDM(), sf.schedules.RectifiedFlow(), sf.schedules.Linear(1000)],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize("end", ["0", "above"])
def test_the_reference_is_the_solution(schedule, end):
    """To 1e-8 (order 3, 1024 steps); a run to t = 0 ends with x0_hat at t_min, which is off by O(sigma^2) there."""
    t_max, mean, std = schedule.t_max, np.array([0.7, -0.4]), 0.4
    last = 0.0 if end == "0" else t_max / 50
    times = solution_times(schedule, t_max, last, 1024)
    assert times[0] == t_max
    assert times[-1] == last
    assert (np.diff(times) < 0).all()
    x_T = schedule.sigma(t_max) * sf.normal((32, 2), seed=1, dtype=np.float64)
    truth = sf.GaussianMixture(mean[None], stds=std).denoiser(schedule)
    x = truth.sample(x_T=x_T, sampler=DPMSolver(3), grid=times)
    left = schedule.sigma(schedule.t_min) ** 2 / std if last == 0 else 0
    assert np.abs(x - closed_form(schedule, x_T, t_max, last, mean, std)).max() < 2e-8 + 4 * left


def test_errors_are_medians_of_distances_and_calls_are_counted():
    schedule, grid = sf.schedules.VP(), sf.grids.LogSNR(t_end=0.01)
    mean, std = np.array([0.7, -0.4]), 0.4
    truth = sf.GaussianMixture(mean[None], stds=std).denoiser(schedule)
    table = sf.metrics.convergence(truth, [DDIM(), "heun"], steps=(10, 20, 40), grid=grid, n=33, seed=5)
    assert [row.calls for row in table] == [(10, 20, 40), (20, 40, 80)]
    x_T = schedule.sigma(1.0) * sf.normal((33, 2), seed=5, dtype=np.float64)
    for row in table:
        for steps, error in zip(row.steps, row.error, strict=True):
            x = truth.sample(x_T=x_T, sampler=row.sampler, grid=grid(schedule, steps))
            far = np.linalg.norm(x - closed_form(schedule, x_T, 1.0, 0.01, mean, std), axis=1)
            assert error == pytest.approx(np.median(far), rel=1e-4)
        assert row.measured_order == pytest.approx(np.log2(row.error[-2] / row.error[-1]))
        assert row.measured_order == pytest.approx(row.order, abs=0.1)


def test_one_sampler_needs_no_list_and_steps_do():
    assert sf.metrics.convergence(exact(), "ddim", **QUICK)[0].sampler == DDIM()
    assert len(sf.metrics.convergence(exact(), Heun(), **QUICK)) == 1
    with pytest.raises(TypeError, match=r"steps must be rising numbers of steps, such as \(16, 32, 64\), got 8"):
        sf.metrics.convergence(exact(), "ddim", steps=8)


class Plain(sf.Sampler):
    """An Euler step of one's own."""

    def step(self, k):
        return k.s.alpha * k.x0 + k.s.sigma * (k.x - k.t.alpha * k.x0) / k.t.sigma


class Lms2(sf.Sampler):
    """Adams-Bashforth of order 2 in sigma / alpha, with the noise of the step before."""

    order, history = 2, 1

    def step(self, k):
        n_t, n_s = k.t.sigma / k.t.alpha, k.s.sigma / k.s.alpha
        eps = (k.x - k.t.alpha * k.x0) / k.t.sigma
        slope = eps
        if k.past:
            before = k.past[0][0]
            slope = eps + (n_s - n_t) / 2 * (eps - k.past_eps[0]) / (n_t - before.sigma / before.alpha)
        return k.s.alpha * (k.x / k.t.alpha + (n_s - n_t) * slope)


def test_samplers_of_ones_own_are_measured_as_well():
    own, core, two, lms = sf.metrics.convergence(exact(), [Plain(), DDIM(), Lms2(), sf.samplers.LMS(2)], **QUICK)
    assert own.error == pytest.approx(core.error, rel=1e-9)
    assert two.error == pytest.approx(lms.error, rel=1e-9)
    assert own.calls == core.calls


def test_a_wrapped_callable_is_measured_in_double():
    asked = []

    def fn(x_t, t):
        asked.append(x_t.dtype)
        return np.tanh(x_t)

    sf.metrics.convergence(sf.Denoiser(fn, sf.schedules.VP(), 2), ["heun"], **QUICK)
    assert set(asked) == {np.dtype(np.float64)}


def test_the_table_shows_itself():
    table = sf.metrics.convergence(exact(), ["ddim", Heun()], **QUICK)
    lines = repr(table).splitlines()
    assert lines[0].split() == ["sampler", "order", "measured", "error", "at", "8", "error", "at", "16", "calls"]
    assert lines[1].startswith("DDIM(eta=0.0)")
    assert len({len(line) for line in lines}) == 1
    html = table._repr_html_()
    assert html.count("<tr>") == 3
    assert "Heun(S_churn=0.0)" in html
    assert table[0].sampler == DDIM()
    assert np.isnan(sf.metrics.convergence(exact(), ["ddim"], steps=[8], n=4)[0].measured_order)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match=r"Ancestral\(variance='beta_tilde'\) draws noise: it follows no path"):
        sf.metrics.convergence(exact(), ["ancestral"], **QUICK)
    with pytest.raises(ValueError, match=r"steps must be one or more rising numbers of steps, got \[16, 8\]"):
        sf.metrics.convergence(exact(), ["ddim"], steps=(16, 8))
    with pytest.raises(TypeError, match="denoiser must be a Denoiser or a model, got function"):
        sf.metrics.convergence(lambda x, t: x, ["ddim"], steps=(8, 16))
