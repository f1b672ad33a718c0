"""One call of sample: start, clipping, guidance, trajectories, events, inversion, interruption."""

import _thread
import threading
import time

import numpy as np
import pytest

import scorefield as sf
from scorefield.guidance import ClassifierFree
from scorefield.sampling import Loop

MEANS, STDS, WEIGHTS = np.array([[-3, 0], [3, 0.0]]), np.array([0.5, 1.0]), np.array([0.3, 0.7])


def exact(schedule="vp"):
    return sf.GaussianMixture(MEANS, stds=STDS, weights=WEIGHTS).denoiser(schedule)


def test_the_start_is_sigma_times_the_numbers_of_normal():
    for schedule in (sf.schedules.VE(), sf.schedules.Linear(1000)):
        model = exact(schedule)
        path = model.sample(5, steps=3, seed=7, start=2, trajectory=True)
        z = sf.normal((5, 2), seed=7, start=2)
        assert np.allclose(path.x[0], schedule.sigma(schedule.t_max) * z, rtol=1e-6)
        given = model.sample(x_T=path.x[0], steps=3, seed=7, start=2)
        assert np.allclose(given, path.x[-1], atol=1e-5)


def test_the_same_call_gives_the_same_bytes_for_any_threads():
    model = exact()
    runs = []
    for threads in (1, 2):
        sf.set_num_threads(threads)
        runs.append(model.sample(500, sampler="ancestral", steps=20, seed=3))
    sf.set_num_threads(None)
    assert np.array_equal(*runs)
    assert not np.array_equal(runs[0], model.sample(500, sampler="ancestral", steps=20, seed=4))
    fresh = [model.sample(2, steps=2, seed=None) for _ in range(2)]
    assert not np.array_equal(*fresh)


def test_steps_by_default():
    linear = sf.schedules.Linear(40, 0.0025, 0.5)
    assert len(list(exact(linear).sample_iter(1, sampler="ancestral"))) == 40
    assert len(list(exact().sample_iter(1, sampler="ancestral"))) == 1000
    assert len(list(exact().sample_iter(1))) == 50
    assert len(list(exact(linear).sample_iter(1))) == 40  # there are no more
    assert len(list(exact(sf.schedules.Geometric(12, 0.01, 50.0)).sample_iter(1))) == 12  # the ladder itself
    assert exact(linear).invert(np.zeros((1, 2))).shape == (1, 2)


# ---------------------------------------------------------------- trajectories and events


def test_a_trajectory_holds_the_path():
    model = exact()
    path = model.sample(6, steps=10, seed=1, trajectory=True)
    assert path.t.shape == (11,)
    assert path.x.shape == (11, 6, 2)
    assert path.x0.shape == (10, 6, 2)
    assert path.x.dtype == np.float32
    assert len(path) == 10
    assert np.array_equal(path.x[-1], model.sample(6, steps=10, seed=1))
    assert np.allclose(path.x0[3], model.denoise(path.x[3], path.t[3]), atol=1e-4)  # x is rounded to float32 here
    thinned = model.sample(6, steps=10, seed=1, trajectory=True, every=4)
    assert np.array_equal(thinned.t, path.t[[0, 4, 8, 10]])
    assert np.array_equal(thinned.x, path.x[[0, 4, 8, 10]])
    assert np.array_equal(thinned.x0, path.x0[[3, 7, 9]])


def test_events_tell_the_run():
    model, events = exact(), []
    x = model.sample(3, steps=5, seed=1, callback=events.append)
    assert [event.index for event in events] == [0, 1, 2, 3, 4]
    assert np.allclose([event.t for event in events], [1, 0.8, 0.6, 0.4, 0.2])
    assert events[-1].s == 0
    assert np.array_equal(events[-1].x, x)
    for seen, told in zip(model.sample_iter(3, steps=5, seed=1), events, strict=True):
        index, t, s, state, x0 = seen
        assert (index, t, s) == (told.index, told.t, told.s)
        assert np.array_equal(state, told.x)
        assert np.array_equal(x0, told.x0)


def test_a_callback_ends_the_run_tidily():
    model = exact()
    stopped = model.sample(3, steps=5, seed=1, callback=lambda event: event.index == 2)
    path = model.sample(3, steps=5, seed=1, trajectory=True)
    assert np.array_equal(stopped, path.x[3])
    short = model.sample(3, steps=5, seed=1, trajectory=True, callback=lambda event: event.index == 2)
    assert np.array_equal(short.x, path.x[:4])
    for event in model.sample_iter(3, steps=5, seed=1):
        if event.index == 2:
            break
    assert np.array_equal(event.x, stopped)


def test_progress_counts_the_steps():
    seen = []
    exact().sample(3, steps=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_python_wakes_only_at_the_stops_it_asked_for():
    def loop(model, steps):
        return Loop(model._plan(2, None, None, None, 1.0, "ddim", steps, None, None, None, 0, 0))

    assert list(loop(exact(), 7).stops(3)) == [3, 6, 7]
    assert list(loop(exact(), 4).stops(4, each=True)) == [1, 2, 3, 4]
    slow = sf.Denoiser(lambda x_t, t: time.sleep(0.02) or x_t, "vp", 1)
    stops = list(loop(slow, 6).stops(6))
    assert stops[-1] == 6  # 120 ms: a bar must have moved meanwhile
    assert 1 <= stops[0] < 6


def test_long_batches_go_through_the_loop_in_parts(monkeypatch):
    model, seen = exact(), []
    whole = model.sample(10, labels=[0, 1, None], steps=3)
    monkeypatch.setattr("scorefield.sampling.LARGEST_STATE", 8)
    parts = model.sample(10, labels=[0, 1, None], steps=3, progress=lambda done, total: seen.append((done, total)))
    assert np.array_equal(whole, parts)
    assert seen[-1] == (9, 9)


def test_ctrl_c_stops_at_the_next_step():
    slow = sf.Denoiser(lambda x_t, t: time.sleep(0.01) or x_t, "vp", 1)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    begin = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        slow.sample(1, steps=2000)
    assert time.monotonic() - begin < 5  # of 20 seconds
    assert slow.sample(1, steps=1).shape == (1, 1)


# ---------------------------------------------------------------- inversion


def test_inversion_then_ddim_returns():
    model = exact("linear")
    x = sf.GaussianMixture(MEANS, stds=STDS, weights=WEIGHTS).sample(200, seed=5)

    def error(steps):
        x_T = model.invert(x, steps=steps)
        return np.mean((model.sample(x_T=x_T, sampler="ddim", steps=steps) - x) ** 2)

    errors = [error(steps) for steps in (25, 50, 100)]
    assert errors[0] > 3 * errors[2]
    assert errors[2] < 0.05
    ends = model.invert(x, steps=200)
    assert abs(ends.std() - 1) < 0.15  # the noise of data of the model is normal


def test_inversion_follows_labels():
    model = exact()
    x = np.array([[-3.2, 0.1], [2.0, 0.5]], np.float32)
    ends = model.invert(x, labels=[0, 1], steps=200)
    back = model.sample(x_T=ends, labels=[0, 1], sampler="ddim", steps=200)
    assert np.allclose(back, x, atol=0.05)


# ---------------------------------------------------------------- guidance


def test_labels_pick_components():
    x = exact().sample(4000, labels=[0, 1])
    for k in (0, 1):
        rows = x[k::2]
        assert np.abs(rows.mean(0) - MEANS[k]).max() < 5 * STDS[k] / np.sqrt(2000) + 0.03
        assert np.allclose(rows.std(0), STDS[k], rtol=0.06)
    mixed = exact().sample(4, labels=[1, None, 1, -1], seed=2)
    free = exact().sample(4, seed=2)
    assert np.array_equal(mixed[1::2], free[1::2])
    with pytest.raises(ValueError, match=r"labels must be in 0\.\.1"):
        exact().sample(2, labels=[0, 2])


def test_guidance_one_is_conditional_and_zero_unconditional():
    model = exact()
    options = {"steps": 10, "seed": 3}
    conditional, free = model.sample(20, labels=1, **options), model.sample(20, **options)
    assert np.array_equal(model.sample(20, labels=1, guidance=1.0, **options), conditional)
    assert np.array_equal(model.sample(20, labels=1, guidance=0.0, **options), free)
    assert np.array_equal(model.sample(20, labels=1, guidance=ClassifierFree(1.0), **options), conditional)
    unguided = ClassifierFree(3.0, interval=(2.0, 3.0))  # no time of this schedule
    assert np.array_equal(model.sample(20, labels=1, guidance=unguided, **options), conditional)
    assert np.array_equal(model.sample(20, labels=[None] * 20, guidance=4.0, **options), free)


def test_guidance_asks_no_more_than_it_needs():
    calls = []

    def fn(x_t, t, labels=None):
        calls.append(labels is not None)
        return 0 * x_t

    model = sf.Denoiser(fn, "vp", 1)
    model.sample(2, labels=1, steps=2)
    model.sample(2, labels=1, steps=2, guidance=0)
    assert calls == [True, True, False, False]
    calls.clear()
    model.sample(2, labels=1, grid=[1.0, 0.5, 0.0], guidance=ClassifierFree(2.0, interval=(0.8, 1.0)))
    assert calls == [True, False, True]


def test_guidance_is_linear_in_the_answers():
    """One step to sigma = 0 returns x0_hat: x0_u + w (x0_c - x0_u), theory (26)."""
    model = exact()
    options = {"x_T": sf.normal((30, 2), seed=1, dtype=np.float64), "grid": [0.7, 0.0]}
    c, u = model.sample(labels=0, **options), model.sample(**options)
    for w in (0.5, 2.0, 7.5):
        assert np.allclose(model.sample(labels=0, guidance=w, **options), u + w * (c - u), atol=1e-12)
    guided = u + 4 * (c - u)
    ratio = c.std(1, keepdims=True) / guided.std(1, keepdims=True)
    for rescale in (0.7, 1.0):
        got = model.sample(labels=0, guidance=ClassifierFree(4.0, rescale=rescale), **options)
        assert np.allclose(got, (rescale * ratio + 1 - rescale) * guided, atol=1e-11)


def test_guidance_on_a_mixture_moves_away_from_the_other_mode():
    model = exact()
    means = [model.sample(2000, labels=1, guidance=w, steps=30)[:, 0].mean() for w in (0, 1, 3)]
    assert means[0] < means[1] - 0.5
    assert means[1] < means[2]


def test_guidances_are_constants():
    assert ClassifierFree(2) == ClassifierFree(2.0)
    assert hash(ClassifierFree(2.0, interval=(1, 2))) == hash(ClassifierFree(2.0, interval=[1, 2]))
    assert eval(repr(ClassifierFree(4.0, rescale=0.7, interval=(100, 800)))) == ClassifierFree(
        4.0, rescale=0.7, interval=(100, 800)
    )
    with pytest.raises(ValueError, match="w must be a number >= 0"):
        ClassifierFree(-1)
    with pytest.raises(ValueError, match="rescale must be a number in"):
        ClassifierFree(2, rescale=1.5)
    with pytest.raises(ValueError, match="low <= high"):
        ClassifierFree(2, interval=(2, 1))


# ---------------------------------------------------------------- clipping


def imagen(x0, quantile=0.995):
    """Imagen's dynamic thresholding, transcribed from the paper's section 2.3 with NumPy."""
    s = np.maximum(np.quantile(np.abs(x0).reshape(len(x0), -1), quantile, axis=1), 1.0)
    s = s.reshape(-1, *[1] * (x0.ndim - 1))
    return np.clip(x0, -s, s) / s


def test_clipping_holds_the_answer():
    means = np.random.default_rng(0).normal(size=(3, 4, 4, 3)) * 2
    model = sf.GaussianMixture(means, stds=0.3).denoiser("vp")
    options = {"x_T": np.random.default_rng(1).normal(size=(8, 4, 4, 3)), "grid": [0.3, 0.0]}
    x0 = model.sample(**options)
    assert np.abs(x0).max() > 2
    assert np.array_equal(model.sample(clip=1.5, **options), np.clip(x0, -1.5, 1.5))
    assert np.array_equal(model.sample(clip=(-0.5, 2), **options), np.clip(x0, -0.5, 2))
    assert np.allclose(model.sample(clip="dynamic", **options), imagen(x0), rtol=1e-12)


def test_clipping_is_in_the_units_of_the_data():
    """A model whose process knows x0 as (x - 10) / 4: bounds and thresholds are those of x."""

    class Scaled(sf.Denoiser):
        def _decode(self, x0):
            return 10 + 4 * x0

    model = Scaled(lambda x_t, t: x_t, "vp", 3)
    options = {"x_T": np.array([[-0.5, 0.1, 2.0]]), "grid": [0.3, 0.0]}
    assert np.allclose(model.sample(**options), [[8, 10.4, 18]])
    assert np.allclose(model.sample(clip=(9, 11), **options), [[9, 10.4, 11]])
    assert np.allclose(model.sample(clip="dynamic", **options), imagen(np.array([[8, 10.4, 18]])))
    start = model.invert(np.array([[8, 10.4, 18.0]]), grid=[1.0, 0.0])
    assert start.shape == (1, 3)
    assert np.allclose(model.vjp(np.zeros((1, 3)), 0.5, np.ones((1, 3))), 4)  # x0 = 10 + 4 x_t


def test_clipping_every_step_keeps_samples_inside():
    model = exact()
    x = model.sample(200, clip=2.0, steps=20, sampler="ancestral")
    assert np.abs(x).max() <= 2
