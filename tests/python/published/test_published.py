"""Every deterministic sampler equals a transcription of its paper: same grid, same denoiser, other code.

To 1e-10 in double (relative to the largest number of the answer): 12 steps of rounding, and quadrature on both sides.
"""

import numpy as np
import pytest

from published import dpm_solver, flows, karras, linear_multistep, unipc
from published.processes import PROCESSES, VP, Flow, Problem
from scorefield.samplers import (
    DDIM,
    DEIS,
    DPM2,
    LMS,
    PNDM,
    DPMSolver,
    DPMSolverPP,
    Euler,
    EulerMaruyama,
    Heun,
    ProbabilityFlow,
    UniPC,
)

MULTISTEP = {"variant": "multistep"}
SINGLESTEP = {"variant": "singlestep"}
ON_GRID = {"variant": "singlestep", "between": "grid"}

ANY_PROCESS = [
    (DDIM(), karras.ddim),
    (Euler(), karras.ddim),
    (Heun(), karras.heun),
    (Heun(form="time"), flows.heun_in_time),
    (EulerMaruyama(eta=0), flows.euler_in_time),
    (DPM2(), karras.dpm2),
    *[(DPMSolver(n), lambda p, n=n: dpm_solver.singlestep(p, n)) for n in (1, 2, 3)],
    *[(DPMSolverPP(n, **SINGLESTEP), lambda p, n=n: dpm_solver.singlestep_pp(p, n)) for n in (2, 3)],
    (DPMSolverPP(1, **SINGLESTEP), karras.ddim),
    *[(DPMSolverPP(n, **ON_GRID), lambda p, n=n: dpm_solver.turns(p, n)) for n in (1, 2, 3)],
    *[(DPMSolver(n, **ON_GRID), lambda p, n=n: dpm_solver.turns(p, n, noise=True)) for n in (2, 3)],
    *[(DPMSolverPP(n, solver="heun", **ON_GRID), lambda p, n=n: dpm_solver.turns(p, n, heun=True)) for n in (2, 3)],
    (DPMSolver(3, solver="heun", **ON_GRID), lambda p: dpm_solver.turns(p, 3, noise=True, heun=True)),
    (DPMSolverPP(3, lower_order_final=2, **ON_GRID), lambda p: dpm_solver.turns(p, 3, lower_order_final=2)),
    (DPMSolverPP(1), karras.ddim),
    (DPMSolverPP(2), dpm_solver.multistep_2m),
    (DPMSolverPP(2, solver="heun"), lambda p: dpm_solver.multistep(p, 2)),
    (DPMSolverPP(3), lambda p: dpm_solver.multistep(p, 3, heun=False)),
    (DPMSolverPP(3, solver="heun"), lambda p: dpm_solver.multistep(p, 3)),
    (DPMSolverPP(3, half_d2=True), lambda p: dpm_solver.multistep(p, 3, half=True, heun=False)),
    (DPMSolverPP(3, lower_order_final=2), lambda p: dpm_solver.multistep(p, 3, heun=False, lower_order_final=2)),
    (DPMSolver(2, **MULTISTEP), lambda p: dpm_solver.multistep(p, 2, noise=True, heun=False)),
    (DPMSolver(3, solver="heun", **MULTISTEP), lambda p: dpm_solver.multistep(p, 3, noise=True)),
    *[(LMS(n), lambda p, n=n: linear_multistep.lms(p, n)) for n in (1, 2, 3, 4)],
    (LMS(4, last="method"), lambda p: linear_multistep.lms(p, 4, to_zero=True)),
    *[(DEIS(n), lambda p, n=n: linear_multistep.tab_deis(p, n)) for n in (1, 2, 3)],
    (DEIS(2, polynomial="log_rho"), lambda p: dpm_solver.multistep(p, 2, noise=True)),
    (DEIS(3, polynomial="log_rho"), lambda p: dpm_solver.multistep(p, 3, noise=True)),
    *[(UniPC(n, B), lambda p, n=n, B=B: unipc.unipc(p, n, B)) for n in (1, 2, 3) for B in ("bh1", "bh2")],
    *[
        (UniPC(n, B, predicts="noise"), lambda p, n=n, B=B: unipc.unipc(p, n, B, noise=True))
        for n in (1, 2, 3)
        for B in ("bh1", "bh2")
    ],
    (UniPC(3, lower_order_final=3), lambda p: unipc.unipc(p, 3, "bh2", lower_order_final=3)),
    (UniPC(2, uncorrected=(0, 4)), lambda p: unipc.unipc(p, 2, "bh2", uncorrected=(0, 4))),
    (UniPC(3, uncorrected="all"), lambda p: unipc.unipc(p, 3, "bh2", uncorrected=range(12))),
    (PNDM(), linear_multistep.pndm),
    (PNDM("heun"), lambda p: linear_multistep.pndm(p, "heun")),
    (PNDM(last="method"), lambda p: linear_multistep.pndm(p, to_zero=True)),
]
ON_FLOWS = [
    (Euler(), flows.rectified_euler),
    (DDIM(), flows.rectified_euler),
    (Heun(form="time"), flows.rectified_heun),
]
DIFFERENT = [
    *(DDIM(), Heun(), DPMSolver(2), DPMSolver(3), DPMSolverPP(2), DPMSolverPP(3), DPMSolverPP(2, solver="heun")),
    *(DPMSolverPP(2, **SINGLESTEP), DPMSolverPP(3, **SINGLESTEP), DPMSolverPP(3, half_d2=True)),
    *(LMS(2), LMS(3), LMS(4), DEIS(2), DEIS(3), DEIS(2, polynomial="log_rho"), DEIS(3, polynomial="log_rho")),
    *(UniPC(n, B) for n in (1, 2, 3) for B in ("bh1", "bh2")),
    *(UniPC(n, B, predicts="noise") for n in (1, 2, 3) for B in ("bh1", "bh2")),
    *(Heun(form="time"), PNDM(), PNDM("heun"), UniPC(2, uncorrected=(0, 4))),
    *(DPMSolverPP(2, **ON_GRID), DPMSolverPP(3, **ON_GRID), DPMSolver(2, **ON_GRID), DPMSolver(3, **ON_GRID)),
    *(DPMSolverPP(n, solver="heun", **ON_GRID) for n in (2, 3)),
]
CASES = [(q, s, f) for q in PROCESSES for s, f in ANY_PROCESS] + [(Flow(), s, f) for s, f in ON_FLOWS]


@pytest.mark.parametrize("to_zero", [False, True], ids=["to t > 0", "to 0"])
@pytest.mark.parametrize(("process", "sampler", "paper"), CASES, ids=lambda c: repr(c) if not callable(c) else "")
def test_a_sampler_is_what_its_paper_says(process, sampler, paper, to_zero):
    problem = Problem(process, to_zero=to_zero)
    expected = paper(problem)
    assert np.abs(problem.ours(sampler) - expected).max() < 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("to_zero", [False, True], ids=["to t > 0", "to 0"])
@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_inversion_is_ddim_upwards(process, to_zero):
    problem = Problem(process, to_zero=to_zero)
    problem.x_T = np.random.default_rng(1).normal(size=(5, 3))  # now the data
    found, expected = problem.denoiser().invert(problem.x_T, grid=problem.times), flows.inverted(problem)
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()


@pytest.mark.parametrize("to_zero", [False, True], ids=["to t > 0", "to 0"])
@pytest.mark.parametrize("process", PROCESSES, ids=repr)
@pytest.mark.parametrize("form", ["angle", "time"])
def test_the_adaptive_sampler_finds_the_solution(form, process, to_zero):
    """The semi-linear and the black-box form, at tolerances of 1e-12, beside 2000 steps of order 4 that are even in
    lambda: these err by 1e-12 (1000 of them by 16 times as much)."""
    problem = Problem(process, to_zero=to_zero)
    expected = flows.exact(problem, form == "time", 2000)
    found = problem.ours(ProbabilityFlow(rtol=1e-12, atol=1e-12, form=form))
    assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()


def test_the_problem_tells_methods_apart():
    """Else agreement would mean little: on it no two of these methods give the same, and some that must agree do."""
    problem = Problem(VP())
    twins = {
        DPM2(): DPMSolver(2),
        DEIS(2, polynomial="log_rho"): DPMSolver(2, solver="heun", **MULTISTEP),
        UniPC(2, uncorrected="all"): DPMSolverPP(2),
        UniPC(3, uncorrected="all"): DPMSolverPP(3),
        UniPC(2, predicts="noise", uncorrected="all"): DPMSolver(2, **MULTISTEP),
    }
    for one, other in twins.items():
        assert np.allclose(problem.ours(one), problem.ours(other), rtol=0, atol=1e-12)
    ends = [problem.ours(s) for s in DIFFERENT]
    assert min(np.abs(a - b).max() for i, a in enumerate(ends) for b in ends[:i]) > 1e-7
