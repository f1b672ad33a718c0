"""A model as its file: everything comes back, the same model gives the same bytes."""

import copy
import pickle

import numpy as np
import pytest
from diffusion_cases import POINTS, QUIET, points, same

import scorefield as sf


def test_a_file_brings_everything_back(tmp_path):
    net = sf.MLP(2, widths=(8,), classes=3, condition=(2,))
    labels, c = np.arange(200) % 3, np.random.default_rng(2).normal(size=(200, 2))
    model = sf.Diffusion(net, sf.schedules.Linear(100, 1e-3, 0.2), "x0", scale="standard")
    model.fit(
        POINTS, labels, condition=c, steps=30, every=10, loss="likelihood", validation=(POINTS, labels, c), **QUIET
    )
    model.save(tmp_path / "a")
    again = sf.load(tmp_path / "a")
    assert repr(again) == repr(model)
    assert again.step == 30
    assert again.history.loss.tolist() == model.history.loss.tolist()
    assert np.array_equal(again.history.bands, model.history.bands)
    ask = {"labels": [0, 1, 2], "condition": c[:3], "steps": 4, "guidance": 2.0}
    assert np.array_equal(again.sample(**ask), model.sample(**ask))
    assert np.array_equal(again.raw.sample(**ask), model.raw.sample(**ask))
    assert again.evaluate(POINTS, labels, condition=c).loss == model.evaluate(POINTS, labels, condition=c).loss
    more = {"condition": c, "steps": 10, "loss": "likelihood", "progress": False}
    assert np.array_equal(again.fit(POINTS, labels, **more).net.theta, model.fit(POINTS, labels, **more).net.theta)


@pytest.mark.parametrize(
    "schedule",
    [
        sf.schedules.Linear(1000),
        sf.schedules.Linear(1000).zero_terminal_snr(),
        sf.schedules.Table(betas=np.linspace(1e-4, 0.02, 1000)),
        sf.schedules.Table(sigmas=[0.1, 1.0, 10.0]),
        sf.schedules.Geometric(10, 0.01, 5.0),
        sf.schedules.Single(0.1),
        sf.schedules.EDM(sigma_data=0.7),
        sf.schedules.RectifiedFlow(shift=3.0),
        sf.schedules.VE(0.01, 20),
        sf.schedules.SubVP(),
    ],
    ids=lambda s: type(s).__name__,
)
def test_every_schedule_goes_into_a_file(schedule, tmp_path):
    model = sf.Diffusion(sf.MLP(2, widths=(4,)), schedule)
    model.save(tmp_path / "a")
    assert sf.load(tmp_path / "a").schedule == schedule
    assert repr(sf.load(tmp_path / "a")) == repr(model)


@pytest.mark.parametrize(
    "net",
    [
        sf.MLP((3, 2), widths=(), classes=2),
        sf.MLP(3, widths=(5, 4), activation="tanh", condition=(2,), seed=2**64 - 1),
        sf.UNet((6, 5, 2), widths=(8, 16), depth=1, attention=(3,), head_channels=4, classes=2, condition=(6, 5, 1)),
        sf.UNet((8, 3), widths=(4, 4), dropout=0.1, groups=2, middle_attention=False),
        sf.UNet((8, 3), widths=(4, 4), attention=((8,), ()), residual_resampling=((8,), (4,)), activation="mish"),
        sf.UNet((8, 3), widths=(4, 4), time_embedding=10, time_width=6, condition=(6,), condition_embedding="identity"),
        sf.UNet((8, 3), widths=(4, 4), time_embedding="fourier", middle=False, middle_groups=0, centred=True),
    ],
    ids=lambda n: type(n).__name__,
)
def test_every_network_goes_into_a_file(net, tmp_path):
    model = sf.Diffusion(net, "vp")
    model.save(tmp_path / "a")
    assert sf.load(tmp_path / "a").net == net


@pytest.mark.parametrize(
    "words", [{}, {"ema": 0}, {"optimizer": "sgd"}, {"loss": "likelihood"}, {"steps": np.int64(12)}]
)
def test_the_same_model_gives_the_same_file(tmp_path, words):
    for name in ("a", "b"):
        points().fit(POINTS, **({"steps": 12, "every": 5, "validation": POINTS} | QUIET | words)).save(tmp_path / name)
    sf.load(tmp_path / "a").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_schedule_of_ones_own_cannot_be_saved(tmp_path):
    class Mine(sf.Schedule):
        t_min, t_max = 1e-3, 1.0

        def alpha(self, t):
            return 1 - np.asarray(t)

        def sigma(self, t):
            return np.asarray(t) * 1.0

    model = sf.Diffusion(sf.MLP(2, widths=(4,)), Mine(), "v").fit(POINTS, steps=1, **QUIET)
    with pytest.raises(ValueError, match="schedule of class Mine cannot be saved"):
        model.save(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_loss_of_ones_own_is_saved_by_name(tmp_path):
    class Absolute(sf.Loss):
        def __call__(self, y, target, level):
            r = (y - target).reshape(len(y), -1)
            return abs(r).mean(1), (np.sign(r) / r.shape[1]).reshape(y.shape)

    model = points().fit(POINTS, steps=3, loss=Absolute(), **QUIET)
    model.save(tmp_path / "a")
    again = sf.load(tmp_path / "a")
    assert np.array_equal(
        again.fit(POINTS, steps=2, loss=Absolute(), **QUIET).net.theta,
        model.fit(POINTS, steps=2, loss=Absolute(), **QUIET).net.theta,
    )


def test_models_are_pickled_as_their_files():
    model = points().fit(POINTS, steps=3, **QUIET)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.sample(3, steps=3), model.sample(3, steps=3))
    assert again.fit(POINTS, steps=1, **QUIET).step == 4
    assert same(copy.deepcopy(model), model)
