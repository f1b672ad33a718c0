"""A pipeline folder from elsewhere, from end to end: load, sample, train on, write back for others."""

import json

import numpy as np
import pytest

import scorefield as sf

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.pyplot").switch_backend("Agg")
QUIET = {"progress": False}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize(
    ("widths", "steps", "drawn"),
    [((8, 8), 5, 20), pytest.param((32, 64), 500, 1000, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
def test_a_folder_from_elsewhere(widths, steps, drawn, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    x, labels = sf.datasets.digits("train")
    net = sf.UNet((8, 8, 1), widths=widths, depth=2)
    trained = sf.Diffusion(net, sf.schedules.Linear(1000)).fit(x, steps=steps, **QUIET)
    sf.diffusers.save(trained, "ddpm-digits")

    model = sf.diffusers.load("ddpm-digits")
    assert (model.net.num_parameters, model.schedule.T) == (net.num_parameters, 1000)
    assert f"{widths}" in str(model)
    as_theirs = sf.diffusers.sampling("ddpm-digits")
    assert as_theirs == {
        "sampler": sf.samplers.Ancestral("beta_tilde"),
        "clip": 1.0,
        "steps": 1000,
        "grid": sf.grids.Leading(),
    }
    as_theirs["steps"] = drawn
    images = model.sample(16, seed=0, **as_theirs, **QUIET)
    assert np.array_equal(images, trained.sample(16, seed=0, **as_theirs, **QUIET))
    sf.plot.grid(images, columns=4).savefig("theirs.png")
    assert np.abs(model.sample(16, sampler="dpm_solver_pp", steps=20, clip=1.0, seed=0, **QUIET)).max() <= 1.001

    x_t, t = sf.normal((4, *model.shape), seed=1), np.array([1, 10, 500, 1000])
    before = model.eps(x_t, t)
    sf.diffusers.save(model, "copy")
    copy = sf.diffusers.load("copy")
    assert np.array_equal(copy.eps(x_t, t), before)
    assert all(np.array_equal(a, model.net.state()[name]) for name, a in copy.net.state().items())

    only_threes = model.copy().fit(x[labels == 3], steps=steps, lr=2e-4, ema=0.99, **QUIET)
    sf.plot.grid(only_threes.sample(16, **QUIET)).savefig("threes.png")
    sf.diffusers.save(only_threes, "ddpm-threes")
    assert not np.array_equal(only_threes.eps(x_t, t), before)
    assert np.array_equal(model.eps(x_t, t), before)
    assert np.array_equal(sf.diffusers.load("ddpm-threes").eps(x_t, t), only_threes.eps(x_t, t))


def test_a_folder_with_a_block_that_is_not_known_is_refused_by_its_name(tmp_path):
    model = sf.Diffusion(sf.UNet((8, 8, 1), widths=(8, 8), depth=2), sf.schedules.Linear(1000))
    sf.diffusers.save(model, tmp_path / "copy")
    path = tmp_path / "copy/unet/config.json"
    config = json.loads(path.read_text())
    config["down_block_types"] = ["AttnSkipDownBlock2D", "DownBlock2D"]
    path.write_text(json.dumps(config))
    with pytest.raises(sf.FormatError, match="AttnSkipDownBlock2D"):
        sf.diffusers.load(tmp_path / "copy")
