"""The front door: what is chosen when nothing is said, refusals, averages, display, threads."""

import copy
import threading

import numpy as np
import pytest
from diffusion_cases import IMAGES, LABELS, POINTS, QUIET, images, points, same
from schedule_cases import Quadratic

import scorefield as sf

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
        (Quadratic(), "v"),  # of one's own; 1/alpha_T = 500
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
        (lambda: sf.Diffusion(sf.MLP(2), "vp", "energy"), ValueError, "one number"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", engine="slow"), ValueError, "unknown engine"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale="std"), TypeError, "scale must be None, 'standard'"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale=(0, 0)), ValueError, r"scale\[1\] must be > 0"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", scale=([1, 2, 3], 1)), ValueError, "does not fit one sample"),
    ],
)
def test_constructor_refuses(make, error, match):
    with pytest.raises(error, match=match):
        make()


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
