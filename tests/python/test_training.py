"""The loop of events around a trainer whose every step is known: theta <- theta / 2 + (number of the step)."""

import dataclasses
import threading

import numpy as np
import pytest

from scorefield import NonFiniteError
from scorefield.learner import AVERAGE, Learner
from scorefield.run import Run
from scorefield.training import Data, Plan, Session, differences


class Net:
    def __init__(self):
        self._theta = np.zeros(3, np.float32)

    @property
    def theta(self):
        return self._theta.copy()

    @theta.setter
    def theta(self, theta):
        self._theta = np.array(theta, np.float32)

    def _share(self, theta):
        self._theta = theta


class Halving:
    """A trainer by its closed form; `bad` is the step that gives an infinite loss, `stop` the one that Ctrl-C hits."""

    def __init__(self, bad=None, stop=None):
        self.step, self.theta, self.ema, self.bad, self.stop = (
            0,
            np.zeros(3, np.float32),
            np.zeros(3, np.float32),
            bad,
            stop,
        )
        self.calls = []

    def run(self, steps):
        self.calls.append((self.step, steps))
        for _ in range(steps):
            if self.step == self.bad:
                raise NonFiniteError(f"loss became inf at step {self.step + 1}")
            if self.step == self.stop:
                raise KeyboardInterrupt
            self.step += 1
            self.theta = self.theta / 2 + self.step
            self.ema = self.theta + 1
        return np.full(steps, float(self.step)), np.ones(steps)

    def snapshot(self):
        self.kept = self.step, self.theta, self.ema

    def rollback(self):
        self.step, self.theta, self.ema = self.kept
        return self.step

    def state(self):
        return {AVERAGE: self.ema, "m": self.theta * 2, "count": np.array([self.step], np.uint64)}

    def restore(self, step, theta, state):
        self.step, self.theta, self.ema = step, theta, theta + 1
        self.restored = state


def after(steps):
    theta = np.zeros(3, np.float32)
    for step in range(1, steps + 1):
        theta = theta / 2 + step
    return theta


def session(learner, trainer, plan, saved=None, held_out=None):
    saved = [] if saved is None else saved
    return Session(
        learner, trainer, plan, 4, 1e-3, held_out, lambda path: (path.write_bytes(b"x"), saved.append(learner.step))
    )


@pytest.fixture
def learner():
    return Learner(Net())


def test_events_come_at_multiples_and_at_the_end(learner):
    trainer = Halving()
    trainer.restore(20, after(20), {})
    steps = [event.step for event in session(learner, trainer, Plan(20, 130, every=50)).events()]
    assert steps == [50, 100, 130]
    assert learner.history.step.tolist() == steps
    assert learner.step == 130
    assert np.array_equal(learner.net.theta, after(130))
    assert np.array_equal(learner.weights(average=True), after(130) + 1)


def test_the_loss_of_an_event_is_the_mean_since_the_last(learner):
    class Counting(Halving):
        def run(self, steps):
            first = self.step + 1
            super().run(steps)
            return np.arange(first, self.step + 1, dtype=float), np.ones(steps)

    events = list(session(learner, Counting(), Plan(0, 25, every=10)).events())
    assert [event.loss for event in events] == [5.5, 15.5, 23.0]
    assert all(event.grad_norm == 1 for event in events)
    assert all(np.isnan(event.validation_loss) for event in events)


def test_a_model_is_usable_at_every_event(learner):
    for event in session(learner, Halving(), Plan(0, 30, every=10)).events():
        assert learner.step == event.step
        assert np.array_equal(learner.weights(average=False), after(event.step))


def test_checkpoints_at_their_steps_and_at_the_end(learner, tmp_path):
    saved = []
    plan = Plan(0, 130, every=50, run=Run(tmp_path, every=40, keep=2))
    list(session(learner, Halving(), plan, saved).events())
    assert saved == [40, 80, 120, 130]
    assert plan.run.steps() == [120, 130]


@pytest.mark.parametrize("end", ["close", "ctrl-c", "error in the loop"])
def test_a_run_is_saved_however_it_ends(learner, tmp_path, end):
    saved = []
    trainer = Halving(stop=70 if end == "ctrl-c" else None)
    events = session(learner, trainer, Plan(0, 1000, every=50, run=Run(tmp_path, every=10**6)), saved).events()
    next(events)
    if end == "close":
        events.close()
    elif end == "ctrl-c":
        with pytest.raises(KeyboardInterrupt):
            next(events)
    else:
        with pytest.raises(ZeroDivisionError):
            events.throw(ZeroDivisionError)
    stopped = 70 if end == "ctrl-c" else 50
    assert saved == [stopped]
    assert learner.step == stopped
    assert np.array_equal(learner.net.theta, after(stopped))


def test_a_loss_that_is_not_finite_takes_the_model_back_to_the_last_event(learner, tmp_path):
    plan = Plan(0, 1000, every=50, run=Run(tmp_path, every=30))
    expected = r"loss became inf at step 118; the model is back at step 100; lower lr \(0.001\)"
    with pytest.raises(NonFiniteError, match=expected):
        list(session(learner, Halving(bad=117), plan).events())
    assert learner.step == 100
    assert np.array_equal(learner.net.theta, after(100))
    assert learner.stage.state["count"][0] == 100


def test_progress_is_told_step_by_step(learner):
    told = []
    list(
        session(
            learner, Halving(), Plan(0, 100, every=50, progress=lambda done, total: told.append((done, total)))
        ).events()
    )
    assert told[-1] == (100, 100)
    assert told == sorted(told)


def test_held_out_loss_stands_in_the_event(learner):
    held_out = lambda trainer: (float(trainer.step), np.arange(10.0))  # noqa: E731
    events = list(session(learner, Halving(), Plan(0, 100, every=50), held_out=held_out).events())
    assert [event.validation_loss for event in events] == [50, 100]
    assert learner.history.bands[1].tolist() == list(range(10))


def test_the_next_fit_gets_what_the_last_left(learner):
    list(session(learner, Halving(), Plan(0, 10)).events())
    trainer = Halving()
    learner.hand_over(trainer, {})
    assert trainer.step == 10
    assert np.array_equal(trainer.theta, after(10))
    assert np.array_equal(trainer.restored["m"], 2 * after(10))


def test_state_of_another_optimiser_starts_anew(learner):
    list(session(learner, Halving(), Plan(0, 10)).events())
    other = {"v": np.ones(3), "m": np.ones(7), "count": np.array([10], np.uint64)}
    learner.become(dataclasses.replace(learner.stage, state=other))
    trainer = Halving()
    learner.hand_over(trainer, {})
    assert np.array_equal(trainer.restored["m"], np.zeros(3))
    assert trainer.restored["count"][0] == 10
    assert "v" not in trainer.restored


def test_assigned_weights_end_the_average(learner):
    list(session(learner, Halving(), Plan(0, 10)).events())
    assert AVERAGE in learner.stage.state
    learner.net.theta = np.ones(3)
    assert learner.stage.state == {}
    assert learner.weights(average=True).tolist() == [1, 1, 1]
    trainer = Halving()
    learner.hand_over(trainer, {})
    assert trainer.restored["m"].tolist() == [0, 0, 0]  # moments of other weights are of no use


def test_one_fit_at_a_time(learner):
    with learner.alone(), pytest.raises(RuntimeError, match="being trained already"), learner.alone():
        pass
    errors = []

    def other():
        try:
            with learner.alone():
                pass
        except RuntimeError as error:
            errors.append(error)

    with learner.alone():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(errors) == 1


def test_fingerprints_differ_where_data_differ():
    x = np.arange(6, dtype=np.float32)
    prints = {
        Data(x.reshape(2, 3)).fingerprint(),
        Data(x.reshape(3, 2)).fingerprint(),
        Data(x.reshape(2, 3), labels=np.zeros(2, np.int64)).fingerprint(),
        Data(x.reshape(2, 3), weight=np.zeros(2)).fingerprint(),
        Data(np.nextafter(x, 9, dtype=np.float32).reshape(2, 3)).fingerprint(),
    }
    assert len(prints) == 5
    assert Data(x.reshape(2, 3)).fingerprint() == Data(x.reshape(2, 3).copy()).fingerprint()


def test_differences_are_named():
    there = {"batch_size": 64, "net": {"widths": [1, 2], "seed": 0}, "same": 1}
    here = {"batch_size": 128, "net": {"widths": [1, 3], "seed": 0}, "same": 1}
    assert differences(there, here) == ["batch_size: 64 there, 128 here", "net.widths: [1, 2] there, [1, 3] here"]
    assert differences(there, there) == []
