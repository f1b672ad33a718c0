"""The command line as in its story: every command, its files, its status, its one line about what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import scorefield as sf
from scorefield._version import __version__
from scorefield.cli import main
from scorefield.cli._reading import read_data, read_labels, read_network

pytest.importorskip("sklearn")
TRAIN = ["train", "--data", "digits", "--net", "UNet(widths=(8, 16), depth=1, classes=10)", "--prediction", "v"]
TRAIN += ["--steps", "6", "--batch-size", "16", "--lr", "2e-3"]


def run(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "digits"
    assert main([*TRAIN, "--out", str(folder)]) == 0
    return folder


def test_train_says_how_it_went_and_writes_model_and_checkpoint(trained, capsys):
    assert sorted(path.name for path in trained.iterdir()) == ["model.safetensors", "step-00000006.safetensors"]
    status, out, err = run(capsys, *TRAIN, "--out", trained)
    assert (status, err) == (0, "")
    assert "resumed at step 6 of 6" in out
    assert f"saved {trained}/model.safetensors" in out


def test_the_trained_model_is_that_of_the_library(trained):
    x, labels = sf.datasets.digits("train")
    net = sf.UNet((8, 8, 1), widths=(8, 16), depth=1, classes=10)
    model = sf.Diffusion(net, sf.schedules.Cosine(), prediction="v")
    model.fit(x, labels, steps=6, batch_size=16, lr=2e-3, seed=0)
    np.testing.assert_array_equal(sf.load(trained / "model.safetensors").net.theta, model.net.theta)


def test_a_stopped_training_goes_on_to_the_same_weights(trained, tmp_path, capsys):
    shorter = [word if word != "6" else "2" for word in TRAIN]
    x, labels = sf.datasets.digits("train")
    model = sf.Diffusion(read_network(TRAIN[4], read_data("digits")), "cosine", prediction="v")
    stop = sf.Run(tmp_path, every=1000)
    words = {"batch_size": 16, "lr": 2e-3, "ema": 0.999, "p_uncond": 0.1, "seed": 0, "every": 2}
    model.fit(x, labels, steps=6, run=stop, callback=lambda event: event.step == 2, **words)
    assert model.step == 2
    status, out, _ = run(capsys, *TRAIN, "--out", tmp_path)
    assert status == 0
    assert "resumed at step 2 of 6" in out
    uninterrupted = sf.load(trained / "model.safetensors")
    np.testing.assert_array_equal(sf.load(tmp_path / "model.safetensors").net.theta, uninterrupted.net.theta)
    status, _, err = run(capsys, *shorter, "--out", tmp_path, "--seed", "1")
    assert status == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".gif"])
def test_sample_writes_the_file_that_is_named_and_no_other(trained, tmp_path, capsys, suffix):
    out_file = tmp_path / f"digits{suffix}"
    words = [
        "-n",
        20,
        "--labels",
        "0:10",
        "--guidance",
        2,
        "--sampler",
        "DPMSolverPP(order=2)",
        "--steps",
        3,
        "--seed",
        1,
    ]
    status, out, err = run(capsys, "sample", trained, *words, "--out", out_file)
    assert (status, err) == (0, "")
    assert out.startswith("20 samples, 3 steps, ")
    assert [path.name for path in tmp_path.iterdir()] == [out_file.name]
    if suffix == ".npy":
        model = sf.load(trained)
        expected = model.sample(20, list(range(10)), guidance=2.0, sampler="dpm_solver_pp", steps=3, seed=1)
        np.testing.assert_array_equal(np.load(out_file), expected)
    if suffix == ".npz":
        np.testing.assert_array_equal(np.load(out_file)["labels"], np.resize(np.arange(10), 20))
    if suffix in (".png", ".gif"):
        from PIL import Image

        with Image.open(out_file) as picture:
            assert picture.size[0] > 100
            assert getattr(picture, "n_frames", 1) == (4 if suffix == ".gif" else 1)


def test_samples_in_parts_are_the_samples_of_one_call(trained, tmp_path, capsys):
    parts = []
    for name, n, start in (("whole", 6, 0), ("first", 4, 0), ("second", 2, 4)):
        out_file = tmp_path / f"{name}.npz"
        words = ["-n", n, "--start", start, "--labels", "0:3", "--steps", 2, "--out", out_file]
        assert run(capsys, "sample", trained, *words)[0] == 0
        parts.append(np.load(out_file))
    whole, first, second = parts
    for key in ("x", "labels"):
        np.testing.assert_array_equal(whole[key], np.concatenate([first[key], second[key]]))


def test_evaluate_prints_its_findings(trained, capsys):
    status, out, err = run(capsys, "evaluate", trained, "--data", "digits", "--samples", 30, "--steps", 2)
    assert (status, err) == (0, "")
    lines = {line[:20].strip(): line[20:] for line in out.splitlines()}
    assert len(lines["loss per noise band"].split()) == 10
    assert "two halves of the data" in lines["energy distance"]
    assert "held-out control" in lines["copies"]


def test_inspect_and_config_tell_what_is_there(trained, capsys):
    for path in (trained, trained / "model.safetensors"):
        status, out, _ = run(capsys, "inspect", path)
        assert status == 0
        for word in (
            "Diffusion",
            "shape (8, 8, 1)",
            "prediction v",
            "Cosine(T=1000",
            "widths=(8, 16)",
            "6 steps",
            "sha256",
        ):
            assert word in out
    status, out, _ = run(capsys, "config")
    assert status == 0
    assert __version__ in out
    assert "compiler" in out


def test_vectors_make_a_scatter_and_files_are_data(tmp_path, capsys):
    x, labels = sf.datasets.moons(200, seed=3)
    np.savez(tmp_path / "moons.npz", x=x, labels=labels)
    out_folder = tmp_path / "run"
    words = ["--net", "MLP(widths=(16,), classes=2)", "--schedule", "vp", "--steps", 2, "--out", out_folder]
    assert run(capsys, "train", "--data", tmp_path / "moons.npz", *words)[0] == 0
    assert run(capsys, "sample", out_folder, "-n", 5, "--steps", 2, "--out", tmp_path / "points.png")[0] == 0
    assert (tmp_path / "points.png").stat().st_size > 1000
    status, out, _ = run(
        capsys, "evaluate", out_folder, "--data", tmp_path / "moons.npz", "--samples", 10, "--steps", 2
    )
    assert status == 0
    assert "energy distance" in out


def test_demo_writes_five_files_and_reports_what_it_prints(tmp_path, capsys):
    status, out, err = run(capsys, "demo", "--out", tmp_path / "demo", "--steps", 2, "--samples", 20)
    assert (status, err) == (0, "")
    names = ["grid.png", "history.png", "model.safetensors", "report.json", "strip.png"]
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == names
    report = json.loads((tmp_path / "demo/report.json").read_text())
    assert f"sliced Wasserstein {report['sliced_wasserstein']:.3f}" in out
    assert f"judge on samples {report['judge_on_samples']:.2f}" in out
    assert sf.load(tmp_path / "demo/model.safetensors").step == 2


WRONG = {
    "unknown sampler": (
        ["sample", "RUN", "--sampler", "eulr"],
        "unknown sampler 'eulr'; did you mean 'euler'? Known: ancestral, annealed_langevin, ddim",
    ),
    "code as sampler": (["sample", "RUN", "--sampler", "__import__('os')"], "unknown sampler '__import__'"),
    "unknown argument": (
        ["sample", "RUN", "--sampler", "DDIM(etta=1)", "--out", "x.npy"],
        "sampler DDIM: got an unexpected",
    ),
    "no output": (["sample", "RUN"], "--out must be a file .png, .npy, .npz, .gif; got None"),
    "wrong output": (["sample", "RUN", "--out", "x.jpg"], "--out must be a file .png, .npy, .npz, .gif; got x.jpg"),
    "labels": (
        ["sample", "RUN", "--labels", "0;9", "--out", "x.npy"],
        "labels must be like 7, 0:10 or 3,1,none; got '0;9'",
    ),
    "label range": (["sample", "RUN", "--labels", "0:99", "--out", "x.npy"], "labels must be in 0..9"),
    "no samples": (["sample", "RUN", "-n", "0", "--out", "x.npy"], "n must be an integer >= 1, got 0"),
    "no such model": (["inspect", "nowhere.safetensors"], "No such file or directory: nowhere.safetensors"),
    "not a model": (["inspect", __file__], "test_cli.py"),
    "no such data": (["evaluate", "RUN", "--data", "digts"], "unknown data set 'digts'; did you mean 'digits'?"),
    "no such file": (["evaluate", "RUN", "--data", "no.npz"], "No such file or directory: no.npz"),
    "no command": ([], "the following arguments are required: COMMAND"),
    "unknown command": (["smaple"], "invalid choice: 'smaple'"),
    "unknown option": (["config", "--loud"], "unrecognized arguments: --loud"),
    "not a number": (["sample", "RUN", "-n", "many", "--out", "x.npy"], "argument -n: invalid int value: 'many'"),
    "missing option": (["train", "--data", "digits"], "the following arguments are required: --steps, --out"),
    "unknown schedule": (
        [*TRAIN, "--schedule", "cosin", "--out", "RUN2"],
        "unknown schedule 'cosin'; did you mean 'cosine'?",
    ),
    "unknown network": (
        [*TRAIN[:3], "--net", "Unett()", "--steps", "1", "--out", "RUN2"],
        "unknown network 'Unett'; did you mean 'u_net'?",
    ),
    "no steps": ([*TRAIN, "--steps", "0", "--out", "RUN2"], "steps must be an integer"),
    "too few values": (
        ["train", "--data", "moons()", "--steps", "1", "--out", "RUN2"],
        "missing a required argument: 'n'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_with_status_2_and_one_line(case, trained, tmp_path, capsys, monkeypatch):
    words, message = WRONG[case]
    monkeypatch.chdir(tmp_path)
    words = [{"RUN": str(trained), "RUN2": "run"}.get(word, word) for word in words]
    status, _, err = run(capsys, *words)
    assert status == 2
    assert err.startswith("scorefield: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_hostile_data_files_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "other.npz", y=np.zeros(3))
    np.save(tmp_path / "objects.npy", np.array([{}, 1], object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "text.npz").write_bytes(b"PK\x03\x04 broken")
    expected = {"other.npz": "holds y; expected x", "objects.npy": "no file of NumPy arrays"}
    for name in ("other.npz", "objects.npy", "text.npy", "text.npz"):
        status, _, err = run(capsys, "train", "--data", tmp_path / name, "--steps", 1, "--out", tmp_path / "run")
        assert status == 2
        assert expected.get(name, "no file of NumPy arrays") in err
        assert err.count("\n") == 1


def test_labels_are_read_as_written():
    assert read_labels("0:3,7,none") == [0, 1, 2, 7, None]
    assert read_labels(None) is None
    for text in ("", "a", "1:", "3:1", "1,,2"):
        with pytest.raises(ValueError, match="labels must be like"):
            read_labels(text)


def test_help_and_version_end_with_status_0(capsys):
    assert run(capsys, "--version")[:2] == (0, f"scorefield {__version__}\n")
    status, out, _ = run(capsys, "train", "--help")
    assert status == 0
    assert "--batch-size" in out


def test_ctrl_c_ends_with_status_130_and_leaves_a_run_that_goes_on(tmp_path):
    words = [word if word != "6" else "100000" for word in TRAIN]
    command = [sys.executable, "-m", "scorefield", *words, "--checkpoint-every", "1", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    deadline = time.monotonic() + 60
    try:
        while not list(tmp_path.glob("run/step-*.safetensors")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    step = int(out.split("interrupted at step ")[1].split(";")[0])
    assert step >= 1
    assert sf.load(tmp_path / "run").step == step


@pytest.mark.measured
def test_bench_measures_every_kind_of_work(capsys):
    status, out, err = run(capsys, "bench", "--seconds", "0.001")
    assert (status, err) == (0, "")
    first, *lines = out.splitlines()
    assert "threads, fast engine" in first
    rates = [float(line.split()[-2].replace(",", "")) for line in lines]
    assert len(rates) == 8
    assert min(rates) > 0
    assert sum("training" in line for line in lines) == sum("evaluation" in line for line in lines) == 3
    status, _, err = run(capsys, "bench", "--seconds", "0")
    assert status == 2
    assert "--seconds must be above 0" in err
