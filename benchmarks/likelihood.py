"""The tables of docs/likelihood.md: `python -m benchmarks.likelihood` writes them, and with names those alone (digits:
several minutes).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import scorefield as sf
from scorefield import _core
from scorefield._arrays import Array
from scorefield.conditions import Condition

PAGE = Path(__file__).resolve().parents[1] / "docs/likelihood.md"
TRUTH = sf.GaussianMixture([[-2, 0], [1.5, 1.5], [1, -2]], stds=[0.3, 0.5, 0.4], weights=[0.5, 0.3, 0.2])
SCHEDULES = [
    sf.schedules.VP(),
    sf.schedules.SubVP(),
    sf.schedules.VE(0.01, 500),
    sf.schedules.RectifiedFlow(),
    sf.schedules.EDM(),
    sf.schedules.Linear(1000),
    sf.schedules.Cosine(1000),
]


def noised(schedule: sf.Schedule, t: float) -> sf.GaussianMixture:
    """The mixture at time t."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return sf.GaussianMixture(alpha * TRUTH.means, np.hypot(alpha * TRUTH.stds, sigma), weights=TRUTH.weights)


def carried(schedule: sf.Schedule, x: Array, form: Any) -> tuple[Array, Array, float]:
    """End of the way, change of log p, evaluations per row."""
    bound, start = TRUTH.denoiser(schedule)._bind(Condition()), np.array([schedule.t_min])
    way = (bound, schedule._core, x, start, float(schedule.t_max), "exact", 1, 0, 1e-5, 1e-5, form)
    end, change, asked = _core.transport(*way)
    return end, change, asked / len(x)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def densities() -> str:
    """Where the error of a density comes from."""
    x, rows = TRUTH.sample(256, seed=1).astype(np.float64), []
    for schedule in SCHEDULES:
        end, change, asked = carried(schedule, x, _core.FlowForm.angle)
        by_time = carried(schedule, x, _core.FlowForm.time)[2]
        sigma = float(schedule.sigma(schedule.t_max))
        default = np.abs(_core.log_prior(end, sigma) + change - TRUTH.log_prob(x))
        prior = noised(schedule, schedule.t_max).log_prob(end) + change
        solver = np.abs(prior - noised(schedule, schedule.t_min).log_prob(x)).max()
        errors = [default.max(), default.mean(), np.abs(prior - TRUTH.log_prob(x)).max(), solver]
        rows.append([f"`{schedule}`", *(f"{e:.1e}" for e in errors), f"{asked:.0f}", f"{by_time:.0f}"])
    head = [
        "schedule",
        "largest error",
        "mean error",
        "with the exact p_T",
        "against p at t_min",
        "calls",
        "calls in t",
    ]
    return table(head, rows)


def bounds() -> str:
    """Excess of the bound over the truth."""
    x = TRUTH.sample(4000, seed=2)
    truth, rows = TRUTH.log_prob(x), []
    for T in (100, 1000, 4000):
        exact = TRUTH.denoiser(sf.schedules.Linear(T, 0.1 / T, 20 / T))
        excess = [exact.vlb(x, variance=v).total + truth for v in ("beta", "beta_tilde")]
        rows.append([f"Linear, T = {T}", *(f"{e.mean():.3f}" for e in excess), f"{error(excess[0]):.3f}"])
    excess = TRUTH.denoiser(sf.schedules.VP()).vlb(x).total + truth
    rows.append(["VP, continuous", f"{excess.mean():.3f}", "", f"{error(excess):.3f}"])
    return table(["schedule", "`beta`", "`beta_tilde`", "standard error"], rows)


def learned() -> str:
    """Excess of the bound over the truth for one network with learned variance, by the variance that is taken."""
    net = sf.MLP(2, out=4)
    model = sf.Diffusion(net, sf.schedules.Linear(1000), learn_variance=True)
    model.fit(TRUTH.sample(20_000, seed=5), steps=8000, batch_size=512, progress=False)
    x = TRUTH.sample(4000, seed=2)
    truth, rows = TRUTH.log_prob(x), []
    for steps in (1000, 100, 25):
        excess = [model.vlb(x, variance=v, steps=steps).total + truth for v in ("learned", "beta", "beta_tilde")]
        rows.append([str(steps), *(f"{e.mean():.3f}" for e in excess), f"{error(excess[0]):.3f}"])
    return table(["steps", "`learned`", "`beta`", "`beta_tilde`", "standard error"], rows)


def error(values: Array) -> float:
    """Standard error of a mean."""
    return float(values.std() / np.sqrt(len(values)))


def probes() -> str:
    """Spread of Hutchinson's estimate."""
    exact, x, rows = TRUTH.denoiser(sf.schedules.VP()), TRUTH.sample(500, seed=3), []
    truth = exact.log_prob(x)
    for count in (1, 4, 16, 64):
        kinds = ("hutchinson", "gaussian")
        off = [exact.log_prob(x, divergence=kind, probes=count) - truth for kind in kinds]
        rows.append([str(count), *(f"{np.sqrt((e**2).mean()):.3f}" for e in off)])
    return table(["probes", "signs", "normal numbers"], rows)


def speed() -> str:
    """Processor time of 1,000 densities of a trained MLP, and what the solver leaves of an error in 100 of them."""
    x, _ = sf.datasets.moons(4000, noise=0.05, seed=0)
    model = sf.Diffusion(sf.MLP(2), sf.schedules.VP()).fit(x, steps=2000, progress=False)
    exact, rows = model.log_prob(x[:100], rtol=1e-7, atol=1e-7), []
    for tolerance in (1e-3, 1e-4, 1e-5):
        begun, cpu = time.perf_counter(), time.process_time()
        found = model.log_prob(x[:1000], rtol=tolerance, atol=tolerance)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        off = np.abs(found[:100] - exact).mean()
        rows.append([f"{tolerance:.0e}", f"{wall:.2f} s", f"{cpu:.2f} s", f"{off:.1e}"])
    return table(["rtol = atol", "time", "processor time", "mean error"], rows)


def digits() -> str:
    """Bits per dimension of dequantised digits."""
    x, _ = sf.datasets.digits("train")
    test, _ = sf.datasets.digits("test")
    rng = np.random.default_rng(0)

    def fill(a: Array) -> Array:
        spread: Array = (a + rng.uniform(-1 / 16, 1 / 16, a.shape)).astype(np.float32)
        return spread

    model = sf.Diffusion(sf.UNet((8, 8, 1), widths=(32, 64)), sf.schedules.VP())
    model.fit(fill(np.repeat(x, 16, axis=0)), steps=4000, lr=1e-3, loss="likelihood", progress=False)
    ode, bound = model.bits_per_dim(test, levels=17), model.vlb(fill(test)).bits_per_dim + np.log2(8)
    rows = [["ODE", f"{ode.mean():.3f}", f"{error(ode):.3f}"], ["bound", f"{bound.mean():.3f}", f"{error(bound):.3f}"]]
    return table(["", "bits per number", "standard error"], [*rows, ["17 levels uniformly", f"{np.log2(17):.3f}", "0"]])


TABLES: dict[str, Callable[[], str]] = {
    "densities": densities,
    "bounds": bounds,
    "learned": learned,
    "probes": probes,
    "speed": speed,
    "digits": digits,
}


def main() -> None:
    """Write the tables between their marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; by default all but digits")
    names = parser.parse_args().tables or [name for name in TABLES if name != "digits"]
    if not set(names) <= set(TABLES):
        parser.error(f"tables are {', '.join(TABLES)}, got {' '.join(names)}")
    for name in names:
        made = TABLES[name]()
        before, mark, after = PAGE.read_text().partition(f"<!-- {name} -->\n")
        PAGE.write_text(before + mark + made + "\n<!-- end -->" + after.partition("<!-- end -->")[2])


if __name__ == "__main__":
    main()
