"""Every deterministic sampler equals a transcription of its paper: same grid, same denoiser, other code.

To 1e-10 in double (relative to the largest number of the answer): 12 steps of rounding, and quadrature on both sides.
"""

import numpy as np
import pytest

from published import dpm_solver, karras, linear_multistep, unipc
from published.processes import PROCESSES, VP, Problem
from scorefield.samplers import DDIM, DEIS, DPM2, LMS, PNDM, DPMSolver, DPMSolverPP, Euler, Heun, UniPC

MULTISTEP = {"variant": "multistep"}
SINGLESTEP = {"variant": "singlestep"}

ANY_PROCESS = [
    (DDIM(), karras.ddim),
    (Euler(), karras.ddim),
    (Heun(), karras.heun),
    (DPM2(), karras.dpm2),
    *[(DPMSolver(n), lambda p, n=n: dpm_solver.singlestep(p, n)) for n in (1, 2, 3)],
    *[(DPMSolverPP(n, **SINGLESTEP), lambda p, n=n: dpm_solver.singlestep_pp(p, n)) for n in (2, 3)],
    (DPMSolverPP(1, **SINGLESTEP), karras.ddim),
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
    (UniPC(3, lower_order_final=3), lambda p: unipc.unipc(p, 3, "bh2", lower_order_final=3)),
]
ON_VP = [
    (PNDM(), linear_multistep.pndm),
    (PNDM("heun"), lambda p: linear_multistep.pndm(p, "heun")),
    (PNDM(last="method"), lambda p: linear_multistep.pndm(p, to_zero=True)),
]
DIFFERENT = [
    *(DDIM(), Heun(), DPMSolver(2), DPMSolver(3), DPMSolverPP(2), DPMSolverPP(3), DPMSolverPP(2, solver="heun")),
    *(DPMSolverPP(2, **SINGLESTEP), DPMSolverPP(3, **SINGLESTEP), DPMSolverPP(3, half_d2=True)),
    *(LMS(2), LMS(3), LMS(4), DEIS(2), DEIS(3), DEIS(2, polynomial="log_rho"), DEIS(3, polynomial="log_rho")),
    *(UniPC(n, B) for n in (1, 2, 3) for B in ("bh1", "bh2")),
]
CASES = [(q, s, f) for q in PROCESSES for s, f in ANY_PROCESS] + [(VP(), s, f) for s, f in ON_VP]


@pytest.mark.parametrize("to_zero", [False, True], ids=["to t > 0", "to 0"])
@pytest.mark.parametrize(("process", "sampler", "paper"), CASES, ids=lambda c: repr(c) if not callable(c) else "")
def test_a_sampler_is_what_its_paper_says(process, sampler, paper, to_zero):
    problem = Problem(process, to_zero=to_zero)
    expected = paper(problem)
    assert np.abs(problem.ours(sampler) - expected).max() < 1e-10 * np.abs(expected).max()


def test_the_problem_tells_methods_apart():
    """Else agreement would mean little: on it no two of these methods give the same, and some that must agree do."""
    problem = Problem(VP())
    twins = {DPM2(): DPMSolver(2), DEIS(2, polynomial="log_rho"): DPMSolver(2, solver="heun", **MULTISTEP)}
    for one, other in twins.items():
        assert np.allclose(problem.ours(one), problem.ours(other), rtol=0, atol=1e-12)
    ends = [problem.ours(s) for s in DIFFERENT]
    assert min(np.abs(a - b).max() for i, a in enumerate(ends) for b in ends[:i]) > 1e-7
