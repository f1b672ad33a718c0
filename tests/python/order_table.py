"""The table of docs/samplers.md: claims and measured orders of the deterministic samplers. Run it to write it anew."""

import re
from pathlib import Path

import numpy as np
from sampler_cases import TRUTH

import scorefield as sf
from scorefield.samplers import DDIM, DEIS, DPM2, LMS, PNDM, DPMSolver, DPMSolverPP, Heun, UniPC

PAGE = Path(__file__).resolve().parents[2] / "docs" / "samplers.md"
PROCESSES = {  # from sigma / alpha of thousands: what multistep methods lose at their start falls as its square
    "VP": (sf.schedules.VP(0.1, 40.0), 1.0, 0.01),
    "VE": (sf.schedules.VE(0.01, 5000.0), 1.0, 0.2),
    "flow": (sf.schedules.RectifiedFlow(), 0.9998, 0.03),
}
STEPS = (252, 504)  # whole turns of two and of three
CLAIMS = {  # the order that is claimed
    DDIM(): 1,
    Heun(): 2,
    Heun(form="time"): 2,
    DPM2(): 2,
    DPMSolver(2): 2,
    DPMSolver(3): 3,
    DPMSolver(2, variant="multistep"): 2,
    DPMSolver(3, variant="multistep"): 3,
    DPMSolverPP(2): 2,
    DPMSolverPP(2, solver="heun"): 2,
    DPMSolverPP(3): 3,
    DPMSolverPP(3, half_d2=True): 2,
    DPMSolverPP(2, variant="singlestep"): 2,
    DPMSolverPP(3, variant="singlestep"): 3,
    DPMSolverPP(2, variant="singlestep", between="grid"): 2,
    DPMSolverPP(3, variant="singlestep", between="grid"): 3,
    DPMSolverPP(3, variant="singlestep", between="grid", solver="heun"): 3,
    DPMSolver(3, variant="singlestep", between="grid"): 3,
    DEIS(2): 2,
    DEIS(3): 3,
    DEIS(3, polynomial="log_rho"): 3,
    LMS(2): 2,
    LMS(3): 3,
    LMS(4): 4,
    PNDM(): 2,
    PNDM("heun"): 2,
    UniPC(1): 2,
    UniPC(2): 3,
    UniPC(3): 3,
    UniPC(2, predicts="noise"): 3,
    UniPC(2, uncorrected="all"): 2,
}


class Wavy(sf.grids.Grid):
    """Even steps of log-SNR but for a slow wave, so that no method gains from even steps."""

    def __init__(self, first, last):
        self.first, self.last = first, last

    def __call__(self, schedule, steps):
        ends = schedule.log_snr(self.first), schedule.log_snr(self.last)
        r = np.linspace(0, 1, steps + 1)
        times = np.array(schedule.time_of(log_snr=ends[0] + (ends[1] - ends[0]) * (r + 0.05 * np.sin(2 * np.pi * r))))
        times[0], times[-1] = self.first, self.last
        return times

    def _times(self, schedule, steps):
        raise NotImplementedError


def modes(dimension):
    """Three modes: those of the stories in the plane, others in more dimensions."""
    if dimension == 2:
        return TRUTH
    k, j = np.arange(3)[:, None], np.arange(dimension)
    return sf.GaussianMixture(np.sin((k + 1) * j + 2 * k + 1), stds=[0.6, 0.7, 0.8], weights=[0.5, 0.3, 0.2])


def measured(process, dimension, samplers, steps=STEPS, n=32):
    """The rows of the table of convergence for one process and dimension."""
    schedule, first, last = PROCESSES[process]
    exact = modes(dimension).denoiser(schedule)
    return sf.metrics.convergence(exact, samplers, steps=steps, grid=Wavy(first, last), n=n, seed=0)


def lines():
    """The table as text, a line a sampler."""
    columns = {(p, D): measured(p, D, list(CLAIMS)) for p in PROCESSES for D in (2, 64)}
    heads = " | ".join(f"{p}, {D}-D" for p, D in columns)
    yield f"| sampler | claim | {heads} | calls per step |"
    yield "|---|---|" + "---|" * (len(columns) + 1)
    for i, (sampler, claim) in enumerate(CLAIMS.items()):
        orders = " | ".join(f"{table[i].measured_order:.2f}" for table in columns.values())
        start = f", {sampler.extra_calls} more at the start" if sampler.extra_calls else ""
        yield f"| `{sampler!r}` | {claim} | {orders} | {sampler.calls}{start} |"


def table_of(text):
    """The rows of the page: sampler -> (claim, [measured orders], calls)."""
    rows = re.findall(r"^\| `(.*?)` \| (\d) \| (.*) \| ([^|]*) \|$", text, flags=re.M)
    return {name: (int(claim), [float(x) for x in orders.split(" | ")], calls) for name, claim, orders, calls in rows}


if __name__ == "__main__":
    page = PAGE.read_text()
    begin, end = page.index("| sampler | claim |"), page.index("\n\n", page.index("| sampler | claim |"))
    PAGE.write_text(page[:begin] + "\n".join(lines()) + page[end:])
