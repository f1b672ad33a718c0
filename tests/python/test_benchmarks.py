"""The benchmarks without timing: both libraries hold the same networks, pages say what was put in."""

import pathlib
import sys

import numpy as np
import pytest

import scorefield as sf

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("the benchmarks are in the source tree only")
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def some_results():
    from benchmarks.goals import Goal
    from benchmarks.report import Row
    from benchmarks.results import Overlay, Results

    rows = [
        Row("loop", 1, 0.5, 1.0, "torch", Goal(2.5, 4)),
        Row("loop", 2, 0.25, 1.0, "torch", Goal(2.5, 4)),
        Row("step", 2, 1e-3, 2e-3, "torch NHWC", Goal(2.5, 4)),
        Row("memory", 2, 3 * 2**20, 6 * 2**20, "torch", None, "B"),
    ]
    return Results("a machine", "versions", {1: 100.0, 2: 199.6}, rows, Overlay(10, [[1.0]], [[2.0]], 1, 2, -1, 0.5))


def test_the_table_shows_ratios_and_what_falls_short():
    page = some_results().markdown("here")
    assert "| loop | 1 | 500 ms | 1 s (torch) | **2.00** |  |  |" in page  # goals are for two threads
    assert "| loop | 2 | 250 ms | 1 s (torch) | **4.00** | 2.5 | 4 |" in page
    assert "| step | 2 | 1 ms | 2 ms (torch NHWC) | **2.00** (short) | 2.5 | 4 |" in page
    assert "| memory | 2 | 3 MB | 6 MB (torch) | **2.00** |  |  |" in page
    assert "| loop | 2.00 | 1.00 |" in page  # from one thread to two
    assert "100 GFLOP/s on 1 thread, 200 GFLOP/s on 2 threads" in page


def test_results_come_back_from_their_file_and_go_into_the_readme(tmp_path):
    from benchmarks import report
    from benchmarks.results import Results

    some_results().save(tmp_path / "here.json")
    assert Results.load(tmp_path / "here.json") == some_results()
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.insert(readme, some_results().short("here"))
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| step | 1 ms | 2 ms | **2.0** |") == 1
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="has no lines"):
        report.insert(readme, "")


def test_the_readme_has_the_marks():
    from benchmarks import report

    text = (ROOT / "README.md").read_text()
    assert 0 < text.find(report.BEGIN) < text.find(report.END)


def test_every_goal_belongs_to_a_case():
    from benchmarks import goals, networks

    assert set(goals.MLP_TRAINING) == {case.name for case in networks.MLPS}
    assert set(goals.LOOPS) == {case.name for case in networks.LOOPS}


@pytest.mark.parametrize("case", [0, 2, 4, "MLP"])
def test_both_libraries_run_the_same_network(case):
    """Equal parameters give equal answers: float32 rounding alone, through some thirty layers of numbers around 1."""
    torch = pytest.importorskip("torch")
    from benchmarks import networks, weights

    chosen = networks.MLPCase(8, 48, 3) if case == "MLP" else networks.UNETS[case]
    net = chosen.net(seed=3)
    net.theta = net.theta + 0.05 * sf.normal((1, net.num_parameters), seed=1)[0]  # no bias 0, no gain 1
    theirs = chosen.theirs()
    weights.copy(net.state(), theirs)
    x, t = chosen.data()[:2], np.array([3.0, 730.0], np.float32)
    rows = torch.from_numpy(x if x.ndim == 2 else x.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        answer = theirs(rows, torch.from_numpy(t)).numpy()
    answer = answer if x.ndim == 2 else answer.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(net(x, t), answer, atol=2e-5)
