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


def blobs(n):
    """Pictures that a small network can learn a little of: a bright square, whose place is the class."""
    labels = np.arange(n) % 10
    x = np.full((n, 28, 28, 1), -1, np.float32)
    for picture, k in zip(x, labels, strict=True):
        picture[2 * k : 2 * k + 8, 4:12] = 1
    return x + 0.1 * sf.normal(x.shape, seed=0), labels


def a_judge(x, labels):
    from benchmarks import mnist

    return sf.Classifier(sf.MLP(mnist.SHAPE, widths=(32,), out=10)).fit(x, labels, steps=300, lr=3e-3, progress=False)


@pytest.mark.parametrize("which", [0, 1], ids=["ncsn", "vp"])
def test_score_models_are_trained_drawn_and_judged(which, tmp_path):
    """Training stopped half way ends with the weights of an uninterrupted one; then a row of the table and a grid."""
    pytest.importorskip("matplotlib").use("Agg")
    from benchmarks import mnist

    x, labels = blobs(60)
    way, again = (mnist.ways(x, widths=(8, 8), inner=1, steps=4)[which] for _ in range(2))
    first = mnist.trained(way.model, tmp_path / "halves", x, labels, 4, every=2, callback=lambda event: True)
    assert way.model.step == 2
    assert mnist.trained(way.model, tmp_path / "halves", x, labels, 4, every=2) > first > 0
    mnist.trained(again.model, tmp_path / "whole", x, labels, 4, every=2)
    assert way.model.step == again.model.step == 4
    assert np.array_equal(again.model.net.theta, way.model.net.theta)

    picture = tmp_path / "grid.png"
    cells = mnist.row(way, 60.0, np.arange(10), (a_judge(x, labels), x, x), picture)
    assert cells[:3] == [way.title, "60 s", str(way.calls)]
    assert picture.stat().st_size > 1000


def test_the_judge_agrees_with_what_it_is_shown():
    from benchmarks import mnist

    x, labels = blobs(200)
    judge = a_judge(x, labels)
    copied = mnist.judged(x[:100], labels[:100], judge, x[:100], x[100:])
    assert copied == ["100.0%", "0.00", "100.0%"]  # read, nearest ratio, copies
    assert mnist.judged(x[:100], (labels[:100] + 1) % 10, judge, x[100:], x[:100])[0] == "0.0%"


@pytest.mark.parametrize("which", [0, 1], ids=["ncsn", "vp"])
def test_evaluations_are_counted(which):
    """Calls of the network for one digit: as many as a callable counts, give or take the last step's."""
    from benchmarks import mnist

    x, _ = blobs(20)
    way = mnist.ways(x, widths=(8, 8), inner=2, steps=10)[which]
    made = []

    def count(x_t, t, labels):
        made.append(len(x_t))
        return 0 * x_t

    counter = sf.Denoiser(count, way.model.schedule, mnist.SHAPE)
    counter.sample(labels=[3], guidance=2.0, sampler=way.sampler, steps=way.steps)
    assert abs(sum(made) - way.calls) <= 2


def test_a_page_is_changed_between_its_marks_only(tmp_path):
    from benchmarks import mnist

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- end -->\nbetween\n<!-- b -->\n<!-- end -->\nafter\n")
    for _ in range(2):
        mnist.insert(page, "a", "new")
        mnist.insert(page, "b", mnist.table([["x"] * 7]))
    text = page.read_text()
    assert text.startswith("before\n<!-- a -->\nnew\n<!-- end -->\nbetween\n<!-- b -->\n| ")
    assert text.endswith(" |\n<!-- end -->\nafter\n")
    with pytest.raises(ValueError, match="has no line <!-- c -->"):
        mnist.insert(page, "c", "")
