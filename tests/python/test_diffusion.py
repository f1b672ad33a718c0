"""The front door: defaults, refusals, units, going on bit for bit, files, averages, callbacks, display."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest

import scorefield as sf
from scorefield import fitting

rng = np.random.default_rng(0)
POINTS = rng.normal(size=(200, 2)).astype(np.float32)
IMAGES = np.clip(rng.normal(size=(40, 4, 4, 1)), -1, 1).astype(np.float32)
LABELS = np.arange(40) % 3
QUIET = {"progress": False}


def points(**options):
    return sf.Diffusion(sf.MLP(2, widths=(16,)), sf.schedules.VP(), **options)


def images(**options):
    return sf.Diffusion(sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3), sf.schedules.Cosine(100), **options)


# ---- what is chosen when nothing is said


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [
        (sf.schedules.Linear(1000), "eps"),
        (sf.schedules.ScaledLinear(1000), "eps"),
        (sf.schedules.Cosine(1000), "v"),
        (sf.schedules.Sigmoid(1000), "v"),
        (sf.schedules.Linear(1000).zero_terminal_snr(), "v"),
        (sf.schedules.VP(), "eps"),
        (sf.schedules.RectifiedFlow(), "flow"),
        (sf.schedules.EDM(), "edm"),
        (sf.schedules.VE(), "eps"),
        (sf.schedules.Single(), "score"),
    ],
)
def test_prediction_follows_the_schedule(schedule, kind):
    assert f"prediction={kind!r}" in repr(sf.Diffusion(sf.MLP(2, widths=(4,)), schedule))


@pytest.mark.parametrize("kind", ["eps", "score"])
def test_what_would_ruin_samples_is_flagged_and_what_cannot_exist_refused(kind):
    net = sf.MLP(2, widths=(4,))
    with pytest.warns(sf.ScheduleWarning, match="enlarges an error"):
        sf.Diffusion(net, sf.schedules.Cosine(1000), kind)
    with pytest.raises(ValueError, match=r"alpha is 0 at t = 1000.*use prediction=\"v\""):
        sf.Diffusion(net, sf.schedules.Linear(1000).zero_terminal_snr(), kind)
    with pytest.raises(ValueError, match="alpha is 0"):
        sf.Diffusion(net, sf.schedules.RectifiedFlow(), kind)
    with pytest.raises(ValueError, match="edm"):
        sf.Diffusion(net, sf.schedules.VP(), "edm")


def test_names_stand_for_schedules():
    assert sf.Diffusion(sf.MLP(2), "rectified_flow").schedule == sf.schedules.RectifiedFlow()
    with pytest.raises(ValueError, match="cosine"):
        sf.Diffusion(sf.MLP(2), "cosinus")


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: sf.Diffusion("MLP", "vp"), TypeError, "net must be a network"),
        (lambda: sf.Diffusion(sf.MLP(2, out=3), "vp"), ValueError, "must be the same"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", "epsilon"), ValueError, "unknown prediction"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", "energy"), ValueError, "not available"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", engine="slow"), ValueError, "unknown engine"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale="std"), TypeError, "scale must be None, 'standard'"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale=(0, 0)), ValueError, r"scale\[1\] must be > 0"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale=([1, 2, 3], 1)), ValueError, "does not fit one sample"),
    ],
)
def test_constructor_refuses(make, error, match):
    with pytest.raises(error, match=match):
        make()


# ---- training is a function of its arguments


def same(a, b):
    return np.array_equal(a.net.theta, b.net.theta) and np.array_equal(
        a.raw.sample(3, steps=3), b.raw.sample(3, steps=3)
    )


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


# ---- units


def test_standard_scale_trains_as_on_data_scaled_by_hand():
    x = (POINTS * [0.3, 7.0] + [5, -3]).astype(np.float32)
    mean, std = x.mean(0, dtype=np.float64).astype(np.float32), x.std(0, dtype=np.float64).astype(np.float32)
    z = ((x - mean.astype(np.float64)) / std).astype(np.float32)
    mine = points(scale="standard").fit(x, steps=5, **QUIET)
    hand = points().fit(z, steps=5, **QUIET)
    assert np.array_equal(mine.net.theta, hand.net.theta)
    np.testing.assert_allclose(mine.sample(50, steps=5), hand.sample(50, steps=5) * std + mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mine.denoise(z[:5], 0.5), hand.denoise(z[:5], 0.5) * std + mean, rtol=1e-5, atol=1e-5)
    given = points(scale=(mean, std)).fit(x, steps=5, **QUIET)
    assert np.array_equal(given.sample(5, steps=3), mine.sample(5, steps=3))
    assert mine.evaluate(x).loss == pytest.approx(hand.evaluate(z).loss, rel=1e-6)


def test_a_later_fit_keeps_the_scale_of_the_first():
    model = points(scale="standard").fit(POINTS, steps=1, **QUIET)
    before = model._scale
    model.fit(POINTS * 3, steps=1, **QUIET)
    assert model._scale is before


def test_a_column_that_does_not_vary_is_only_shifted():
    model = points(scale="standard").fit(POINTS * [1, 0] + [0, 7], steps=1, **QUIET)
    assert model._scale.x.factor[1] == 1
    assert model._scale.x.shift[1] == 7


def test_scale_must_be_learnt_before_it_is_used():
    with pytest.raises(ValueError, match="call fit before"):
        points(scale="standard").sample(3)
    with pytest.raises(ValueError, match="call fit before"):
        points(scale="standard").evaluate(POINTS)


def test_conditions_are_scaled_with_their_own_statistics():
    c = rng.normal(size=(200, 3)).astype(np.float32) * [1, 20, 0.1] + 4
    net = lambda: sf.MLP(2, widths=(8,), condition=(3,))  # noqa: E731
    a = sf.Diffusion(net(), "vp", scale="standard").fit(POINTS, condition=c, steps=4, **QUIET)
    wide = c * [3, 0.2, 5] - 1  # another unit for the condition: nothing changes but rounding
    b = sf.Diffusion(net(), "vp", scale="standard").fit(POINTS, condition=wide, steps=4, **QUIET)
    # an untrained net on VP answers hundreds (1/alpha_T = 152 enlarges what it says), where float32 has steps of 6e-5
    np.testing.assert_allclose(a.sample(condition=c[:5], steps=3), b.sample(condition=wide[:5], steps=3), rtol=2e-5)


# ---- weights and their average


def test_raw_samples_with_the_weights_of_the_last_step():
    model = points().fit(POINTS, steps=20, lr=1e-2, **QUIET)
    bare = sf.Diffusion(copy.copy(model.net), sf.schedules.VP())  # never trained here: no average
    assert np.array_equal(model.raw.sample(5, steps=3), bare.sample(5, steps=3))
    assert not np.array_equal(model.raw.sample(5, steps=3), model.sample(5, steps=3))
    assert model.raw.step == 20


def test_without_average_both_are_the_same():
    model = points().fit(POINTS, steps=5, ema=0, **QUIET)
    assert np.array_equal(model.raw.sample(5, steps=3), model.sample(5, steps=3))


def test_assigned_weights_are_sampled_with():
    model = points().fit(POINTS, steps=5, lr=1e-2, **QUIET)
    model.net.theta = model.net.theta
    assert np.array_equal(model.raw.sample(5, steps=3), model.sample(5, steps=3))


def test_copy_and_reset():
    model = points().fit(POINTS, steps=5, **QUIET)
    other = model.copy()
    other.fit(POINTS, steps=5, **QUIET)
    assert (model.step, other.step) == (5, 10)
    assert same(points().fit(POINTS, steps=10, **QUIET), other)
    other.reset(0)
    assert other.step == 0
    assert not other.history.events
    assert same(points(), other)
    assert same(model, points().fit(POINTS, steps=5, **QUIET))
    assert same(other.reset(3), sf.Diffusion(sf.MLP(2, widths=(16,), seed=3), sf.schedules.VP()))


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


# ---- files


def test_a_file_brings_everything_back(tmp_path):
    net = sf.MLP(2, widths=(8,), classes=3, condition=(2,))
    labels, c = np.arange(200) % 3, rng.normal(size=(200, 2))
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


# ---- display


def test_models_show_themselves():
    model = images().fit(IMAGES, LABELS, steps=4, every=2, **QUIET)
    assert repr(model).startswith("Diffusion(UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3), Cosine(T=100")
    text = str(model)
    for fact in (
        "prediction v",
        "scale none",
        "Cosine",
        "parameters",
        "4 steps",
        "batch 128",
        "seed 0",
        "EMA 0.999",
        "sha256",
    ):
        assert fact in text
    assert len(text.splitlines()) == 3
    shown = model._repr_html_()
    assert shown.count("<svg") == 1
    assert "<table>" in shown
    assert "not yet" in str(images())


def test_display_escapes_what_comes_from_a_file():
    model = points().fit(POINTS, steps=1, **QUIET)
    model._learner.stage.record["data"] = "<script>alert(1)</script>"
    assert "<script>" not in model._repr_html_()


# ---- threads


def test_one_fit_at_a_time_and_sampling_meanwhile():
    model = points().fit(POINTS, steps=1, **QUIET)
    events = model.fit_iter(POINTS, steps=1000, every=5, **QUIET)
    next(events)
    with pytest.raises(RuntimeError, match="being trained already"):
        model.fit(POINTS, steps=1, **QUIET)
    found = []
    thread = threading.Thread(target=lambda: found.append(model.sample(3, steps=3)))
    thread.start()
    thread.join()
    assert np.array_equal(found[0], model.sample(3, steps=3))
    events.close()
    assert model.fit(POINTS, steps=1, **QUIET).step == 6
