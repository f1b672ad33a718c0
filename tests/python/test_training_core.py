"""The core's trainer from Python: user functions, signals, state as arrays. Its mathematics is tested in C++."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from scorefield import _core, schedules
from scorefield.errors import NonFiniteError
from scorefield.losses import Denoising, Loss
from scorefield.networks import MLP, UNet
from scorefield.optim import SGD, Adam

VP = schedules.VP()


def data(n=200, seed=0):
    return np.random.default_rng(seed).normal([0.5, -1], [0.3, 0.7], (n, 2)).astype(np.float32)


def trainer(loss=None, *, optimizer=None, net=None, prediction="eps", **settings):
    net = net or MLP(2, widths=(16, 16), seed=1)
    objective = (loss or Denoising())._bind(VP, prediction, net.shape)
    settings = {"ema": 0.9, "seed": 3, "batch_size": 32} | settings
    return _core.Trainer(net._core, "reference", net.theta, objective, (optimizer or Adam())._bind(), **settings)


def trained(steps, loss=None, **settings):
    t = trainer(loss, **settings)
    t.set_data(data())
    t.run(steps)
    return t


class Squared(Loss):
    def __call__(self, y, target, level):
        assert y.shape == target.shape == (len(level.t), 2)
        r = (y - target).astype(float)
        return (r**2).mean(1), 2 * r / 2


def test_a_users_loss_trains_like_the_built_in_one():
    ours, theirs = trained(20), trained(20, Squared())
    assert theirs.report[0] == pytest.approx(ours.report[0], rel=1e-5)
    assert theirs.theta == pytest.approx(ours.theta, abs=1e-5)  # float32 rounding through 20 steps of 1e-3
    assert np.array_equal(trained(20, Squared()).theta, theirs.theta)


def test_a_users_weight_is_a_weight_on_the_eps_loss():
    min_snr = Denoising(lambda level: np.minimum(level.snr, 5) / level.snr)
    for prediction in ("eps", "v", "x0"):
        ours, theirs = (trained(5, loss, prediction=prediction) for loss in (Denoising("min_snr"), min_snr))
        assert theirs.report[0] == pytest.approx(ours.report[0], rel=1e-6)
    with pytest.raises(ValueError, match="weight must be finite and >= 0, got -1"):
        trained(1, Denoising(lambda level: -np.ones_like(level.t)))
    with pytest.raises(ValueError, match=r"the weight must have shape \(32,\)"):
        trained(1, Denoising(lambda level: 1.0))


def test_an_error_in_a_users_loss_is_passed_on_and_leaves_whole_steps():
    calls = []

    class Broken(Squared):
        def __call__(self, y, target, level):
            calls.append(len(y))
            if len(calls) == 4:
                raise KeyError("mine")
            return super().__call__(y, target, level)

    t = trainer(Broken())
    t.set_data(data())
    with pytest.raises(KeyError, match="mine"):
        t.run(10)
    assert t.step == 3
    assert calls == [32] * 4  # one call per step, with the whole batch
    assert len(t.report[0]) == 3
    assert np.array_equal(t.theta, trained(3, Squared()).theta)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((np.zeros(3), np.zeros((32, 2))), r"the value of Bad must have shape \(32,\), got \(3,\)"),
        ((np.zeros(32), np.zeros((32, 3))), r"the derivative of Bad must have shape \(32, 2\)"),
        ((np.zeros(32), None), "the derivative of Bad"),
    ],
)
def test_a_users_loss_must_answer_in_shape(answer, message):
    class Bad(Loss):
        def __call__(self, y, target, level):
            return answer

    with pytest.raises((ValueError, TypeError), match=message):
        trained(1, Bad())


def test_a_trainer_runs_one_call_at_a_time():
    class Nosy(Squared):
        def __call__(self, y, target, level):
            t.run(1)

    t = trainer(Nosy())
    t.set_data(data())
    with pytest.raises(RuntimeError, match="being trained by another call"):
        t.run(1)
    assert t.step == 0


def test_resumes_from_arrays_bit_for_bit():
    loss = Denoising("likelihood", "importance")
    whole, before, after = trained(60, loss), trained(45, loss), trainer(loss)
    state = {name: array.copy() for name, array in before.state().items()}
    assert {array.dtype.name for array in state.values()} == {"float32", "float64", "uint64"}
    after.set_data(data())
    after.restore(before.step, before.theta, state)
    after.run(15)
    assert np.array_equal(after.theta, whole.theta)
    assert np.array_equal(after.ema, whole.ema)
    for name, array in whole.state().items():
        assert np.array_equal(after.state()[name], array), name
    with pytest.raises(ValueError, match="another optimiser"):
        trainer(loss, optimizer=SGD(0.1)).restore(before.step, before.theta, state)


def test_a_loss_that_is_not_finite_names_its_step_and_leaves_the_one_before():
    t = trainer(optimizer=Adam(lr=1e30))
    t.set_data(data())
    start = t.theta
    assert t.snapshot() == 0
    with pytest.raises(NonFiniteError, match=r"became (inf|nan) at step \d+"):
        t.run(1000)
    assert t.step == len(t.report[0])
    assert t.rollback() == 0
    assert np.array_equal(t.theta, start)


def test_class_balance_by_weights():
    labels = np.repeat([0, 1], [190, 10])
    net = MLP(2, widths=(), classes=2)
    t = trainer(net=net, optimizer=SGD(1e-3, momentum=0.0, clip_norm=None), batch_size=100, p_uncond=0.0)
    weight = 1 / np.bincount(labels)[labels]
    x = labels[:, None] * np.ones((1, 2), np.float32)
    t.set_data(x.astype(np.float32), labels, sample_weight=weight, noise=np.ones_like(x, dtype=np.float32))
    before, (begin, size) = t.theta, next((b, s) for name, _, b, s in net._core.parameters if "class" in name)
    t.run(1)
    assert size == 4
    moved = (before - t.theta)[begin : begin + size].reshape(2, 2)
    assert (moved != 0).all()  # ten rows of two hundred, yet about half of the batch


@pytest.mark.measured
def test_big_networks_hear_ctrl_c_within_a_quarter_of_a_second():
    net = UNet((16, 16, 3), widths=(64, 128), seed=0)
    t = trainer(net=net, batch_size=64)
    t.set_data(np.random.default_rng(0).normal(size=(64, 16 * 16 * 3)).astype(np.float32))
    waits = []
    for _ in range(3):
        pressed = []

        def press(pressed=pressed):
            pressed.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(0.3, press)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            t.run(10**9)
        waits.append(time.perf_counter() - pressed[0])
    assert min(waits) < 0.25, waits
    theta, step = t.theta, t.step
    assert np.isfinite(theta).all()
    t.snapshot()
    t.rollback()
    assert t.step == step


def test_evaluation_has_bands_and_no_luck():
    t = trained(30)
    held, again = (t.evaluate(data(seed=1), bins=5, seed=2) for _ in range(2))
    assert held[0] == again[0]
    assert held[1].shape == (5,)
    assert held[0] == pytest.approx(held[1].mean(), rel=1e-12)
    assert t.evaluate(data(seed=1), average=False)[0] != held[0]


def test_arrays_of_other_types_are_refused_not_copied():
    t = trainer()
    with pytest.raises(TypeError):
        t.set_data(data().astype(np.float64))
    with pytest.raises(TypeError):
        t.set_data(data()[:, ::-1])
    with pytest.raises(ValueError, match="no data yet"):
        t.run(1)
    with pytest.raises(ValueError, match="takes 2 numbers per sample, x has 3"):
        t.set_data(np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match="the network takes none: make it with classes="):
        t.set_data(data(), np.zeros(200, np.int64))
    with pytest.raises(ValueError, match="shards must be in 1"):
        trainer(shards=1000)
    with pytest.raises(ValueError, match="noise"):
        trainer(prediction="noise")


def test_data_outlive_the_callers_names():
    t = trainer()
    t.set_data(np.array(data()))
    t.run(3)
    assert np.array_equal(t.theta, trained(3).theta)
