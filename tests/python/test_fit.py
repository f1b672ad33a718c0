"""Training by the front door: a function of its arguments that goes on bit for bit, tells events, refuses nonsense."""

import warnings

import numpy as np
import pytest
from diffusion_cases import IMAGES, LABELS, POINTS, QUIET, images, points, same

import scorefield as sf
from scorefield import fitting

# ---- training is a function of its arguments


def test_the_same_call_gives_the_same_bytes():
    assert same(points().fit(POINTS, steps=7, **QUIET), points().fit(POINTS, steps=7, **QUIET))
    assert not same(points().fit(POINTS, steps=7, **QUIET), points().fit(POINTS, steps=7, seed=1, **QUIET))


@pytest.mark.parametrize("loss", [None, "vlb"])
def test_fit_goes_on_where_the_model_stands(loss):
    whole = points().fit(POINTS, steps=60, loss=loss, **QUIET)
    parts = points().fit(POINTS, steps=13, loss=loss, **QUIET).fit(POINTS, steps=47, loss=loss, **QUIET)
    assert parts.step == 60
    assert same(whole, parts)


def test_events_do_not_change_the_result():
    whole = points().fit(POINTS, steps=30, **QUIET)
    watched = points().fit(POINTS, steps=30, every=7, validation=POINTS[:20], callback=lambda e: None, **QUIET)
    assert same(whole, watched)


def test_training_lowers_the_loss_of_gaussian_data_to_its_floor():
    """Data N(0, c^2), eps: no network is better than alpha^2 c^2 / (alpha^2 c^2 + sigma^2), averaged over times."""
    schedule, c = sf.schedules.VP(), 0.5
    x = c * sf.normal((4000, 1), seed=3)
    model = sf.Diffusion(sf.MLP(1, widths=(32, 32)), schedule).fit(x, steps=1500, lr=3e-3, ema=0.99, **QUIET)
    t = np.linspace(schedule.t_min, schedule.t_max, 2001)
    signal = (schedule.alpha(t) * c) ** 2
    floor = np.mean(signal / (signal + schedule.sigma(t) ** 2))
    assert floor * 0.97 < model.evaluate(x).loss < floor * 1.06  # 4000 draws of a chi^2: 2.2 % each way at most
    drawn = model.sample(4000, steps=50, seed=1)
    assert abs(drawn.std() / x.std() - 1) < 0.06  # 5 standard errors of a deviation of 4000 draws
    assert abs(drawn.mean() - x.mean()) < 0.06  # 5 standard errors of a mean, and a little for training


def test_fixed_noise_is_what_the_flow_learns():
    """x = 0 with noise z = (1, -2) in every row: the velocity z - x is one constant; free noise has none."""
    x, z = np.zeros((64, 2)), np.tile([1.0, -2.0], (64, 1))
    new = lambda: sf.Diffusion(sf.MLP(2, widths=()), "rectified_flow")  # noqa: E731
    fixed, free = new().fit(x, noise=z, steps=300, lr=0.05, **QUIET), new().fit(x, steps=300, lr=0.05, **QUIET)
    assert fixed.history.loss[-1] < 1e-3
    assert free.history.loss[-1] > 0.1
    np.testing.assert_allclose(fixed.flow(z * 0.5, 0.5), z, atol=0.05)


def test_rows_are_drawn_as_their_weights_say():
    """One-number data 0 (60 rows) and 1 (20 rows): where only noise is left, x0_hat is the mean of what was drawn."""
    x, kind = np.repeat([0.0, 1.0], [60, 20])[:, None], np.repeat([0, 1], [60, 20])
    weights = {0.25: None, 0.5: fitting.weights_of_rows("balanced", kind, 80), 1.0: kind.astype(float)}
    for mean, weight in weights.items():
        model = sf.Diffusion(sf.MLP(1, widths=(16,)), "vp", "x0")
        model.fit(x, steps=1500, sample_weight=weight, lr=0.01, ema=0.99, **QUIET)
        assert abs(model.denoise([[0.0]], 1.0)[0, 0] - mean) < 0.06
    assert fitting.weights_of_rows("balanced", np.array([2, 0, 2, 2]), 4).tolist() == [1 / 3, 1, 1 / 3, 1 / 3]


@pytest.mark.parametrize(
    "word", [{"shards": 2}, {"p_uncond": 0.9}, {"condition_noise": 0.5}, {"batch_size": 64}, {"ema": 0.5}]
)
def test_every_setting_has_an_effect(word):
    def theta(**words):
        net = sf.MLP(2, widths=(8,), classes=2, condition=(2,))
        model = sf.Diffusion(net, "vp").fit(POINTS, np.arange(200) % 2, condition=POINTS, steps=4, **QUIET, **words)
        return model.net.theta if "ema" not in words else model.sample(2, steps=2)

    assert not np.array_equal(theta(**word), theta() if "ema" not in word else theta(ema=0.2))


# ---- what fit takes


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({"steps": 0}, ValueError, "steps"),
        ({"steps": 1.5}, TypeError, "steps"),
        ({"steps": True}, TypeError, "steps"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"lr": 0.1, "optimizer": sf.optim.SGD(0.1)}, ValueError, "give the learning rate once"),
        ({"lr": -1}, ValueError, "lr"),
        ({"lr": np.nan}, ValueError, "lr"),
        ({"optimizer": "adamw2"}, ValueError, "unknown optimizer"),
        ({"loss": "simpel"}, ValueError, "did you mean 'simple'"),
        ({"ema": 1.0}, ValueError, "ema"),
        ({"p_uncond": 2}, ValueError, "p_uncond"),
        ({"shards": 500}, ValueError, "shards"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": 2**64}, ValueError, "seed"),
        ({"every": 0}, ValueError, "every"),
        ({"run": 3}, TypeError, "run"),
        ({"labels": np.zeros(200, int)}, ValueError, "no classes"),
        ({"condition": np.zeros((200, 2))}, ValueError, "takes none"),
        ({"condition_noise": 0.1}, ValueError, "needs a condition"),
        ({"noise": np.zeros((200, 3))}, ValueError, "noise must have shape"),
        ({"sample_weight": "balanced"}, ValueError, "needs labels"),
        ({"sample_weight": "equal"}, ValueError, "'balanced'"),
        ({"sample_weight": -np.ones(200)}, ValueError, ">= 0"),
        ({"sample_weight": np.zeros(200)}, ValueError, "positive sum"),
        ({"sample_weight": np.ones(3)}, ValueError, "sample_weight must have shape"),
        ({"validation": np.zeros((3, 3))}, ValueError, "x must have shape"),
        ({"progress": 3}, TypeError, "progress"),
        ({"callback": 3}, TypeError, "callback"),
        ({"comm": None}, TypeError, "comm"),
        ({"latent": None}, TypeError, "latent"),
    ],
)
def test_fit_refuses_and_leaves_the_model_as_it_was(words, error, match):
    model = points()
    before = model.net.theta
    with pytest.raises(error, match=match):
        model.fit(POINTS, **({"steps": 1, "progress": False} | words))
    assert model.step == 0
    assert np.array_equal(model.net.theta, before)


def test_conditional_networks_want_their_conditions():
    with pytest.raises(ValueError, match="classes=3, but no labels came"):
        images().fit(IMAGES, steps=1)
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.2"):
        images().fit(IMAGES, np.full(40, 3), steps=1)
    with pytest.raises(ValueError, match="40 entries"):
        images().fit(IMAGES, LABELS[:7], steps=1)
    net = sf.MLP(2, widths=(8,), condition=(3,))
    with pytest.raises(ValueError, match=r"takes a condition of shape \(3,\)"):
        sf.Diffusion(net, "vp").fit(POINTS, steps=1)


def test_rows_without_label_are_allowed_in_training():
    labels = [None if i % 4 == 0 else int(i % 3) for i in range(40)]
    assert images().fit(IMAGES, labels, steps=2, **QUIET).step == 2


def test_inputs_are_not_modified():
    x, labels, weight = IMAGES.copy(), LABELS.copy(), np.ones(40)
    for array in (x, labels, weight):
        array.flags.writeable = False
    model = images(scale="standard").fit(x, labels, steps=2, sample_weight=weight, **QUIET)
    model.evaluate(x, labels)
    assert np.array_equal(x, IMAGES)


def test_data_far_from_unit_scale_are_flagged():
    with pytest.warns(sf.DataWarning, match=r"deviations of its columns go from .* scale='standard'"):
        points().fit(POINTS * [1, 100], steps=1, **QUIET)
    with pytest.warns(sf.DataWarning, match="means up to"):
        points().fit(POINTS + 50, steps=1, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points(scale="standard").fit(POINTS * [1, 100], steps=1, **QUIET)
        points().fit(POINTS * [0.5, 2], steps=1, **QUIET)
        points().fit(POINTS * [1, 0], steps=1, **QUIET)  # a column that does not vary is no reason


# ---- events


def test_callback_true_ends_tidily_and_other_answers_do_not():
    model = points().fit(POINTS, steps=100, every=10, callback=lambda event: event.step == 30, **QUIET)
    assert model.step == 30
    assert same(model, points().fit(POINTS, steps=30, **QUIET))
    model = points().fit(POINTS, steps=20, every=10, callback=lambda event: "go on", **QUIET)
    assert model.step == 20


def test_fit_iter_is_a_generator_that_may_be_left():
    model = points()
    for event in model.fit_iter(POINTS, steps=100, every=10, **QUIET):
        assert model.step == event.step
        assert np.isfinite(model.sample(2, steps=2)).all()
        if event.step == 20:
            break
    assert model.fit(POINTS, steps=10, **QUIET).step == 30


def test_arguments_of_fit_iter_are_checked_at_once_and_training_starts_later():
    model = points()
    with pytest.raises(ValueError, match="steps"):
        model.fit_iter(POINTS, steps=0)
    model.fit_iter(POINTS, steps=5)
    assert model.step == 0


def test_validation_is_the_same_number_however_often_it_is_asked():
    losses = []
    model = images()
    for event in model.fit_iter(IMAGES, LABELS, steps=6, every=3, validation=(IMAGES, LABELS), **QUIET):
        found = model.evaluate(IMAGES, LABELS)
        assert found.loss == event.validation_loss
        assert np.array_equal(found.bands, event.bands)
        losses.append(event.validation_loss)
    assert model.history.validation_loss.tolist() == losses
    assert found.bands.shape == (10,)
    assert found.loss == pytest.approx(found.bands.mean())
    assert model.evaluate(IMAGES, LABELS, bins=3).bands.shape == (3,)


def test_loss_and_speed_are_told():
    told = []
    points().fit(POINTS, steps=20, every=10, callback=told.append, **QUIET)
    assert all(e.loss > 0 and e.grad_norm > 0 and e.samples_per_s > 0 for e in told)
    assert all(np.isnan(e.validation_loss) for e in told)
