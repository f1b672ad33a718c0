"""The folder of a run: names, numbers, what is kept and what is deleted."""

from pathlib import Path

import pytest

from scorefield.run import Run, as_run, model_file


def touch(path):
    Path(path).write_bytes(b"x")


def test_a_run_is_a_value():
    assert Run("a", every=100) == Run(Path("a"), every=100, keep=3)
    assert eval(repr(Run("a", 5, 2))) == Run("a", 5, 2)
    assert len({Run("a"), Run("a")}) == 1
    assert as_run("a") == Run("a")
    assert as_run(None) is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("a", 0), ValueError),
        (("a", 1, 0), ValueError),
        (("a", 1.5), TypeError),
        ((3,), TypeError),
        ((b"a",), TypeError),
        (("a", True), TypeError),
    ],
)
def test_arguments_that_make_no_sense(arguments, error):
    with pytest.raises(error):
        Run(*arguments)


def test_the_last_ones_stay_and_other_files_too(tmp_path):
    run = Run(tmp_path / "runs" / "a", every=10, keep=2)
    assert run.steps() == []
    assert run.latest() is None
    for step in (10, 20, 30, 35):
        run.save(step, touch)
        touch(run.folder / "notes.txt")
    assert run.steps() == [30, 35]
    assert run.latest() == run.folder / "step-00000035.safetensors"
    assert (run.folder / "notes.txt").exists()


def test_nothing_is_deleted_before_the_new_one_is_written(tmp_path):
    run = Run(tmp_path, keep=1)
    run.save(10, touch)

    def fail(path):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.save(20, fail)
    assert run.steps() == [10]


@pytest.mark.parametrize(("step", "due"), [(0, 100), (99, 100), (100, 200), (250, 300)])
def test_checkpoints_are_due_at_multiples(step, due):
    assert Run("a", every=100).next(step) == due


def test_what_a_path_means(tmp_path):
    touch(tmp_path / "model.safetensors")
    assert model_file(tmp_path / "x") == tmp_path / "x"
    assert model_file(tmp_path) == tmp_path / "model.safetensors"
    Run(tmp_path).save(7, touch)
    assert model_file(tmp_path) == tmp_path / "step-00000007.safetensors"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        model_file(tmp_path / "empty")
    with pytest.raises(ValueError, match="is a file; to go on from a file use"):
        Run(tmp_path / "model.safetensors").steps()
