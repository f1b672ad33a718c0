"""Training and sampling that can be repeated, resumed, interrupted, forked and threaded."""

import contextlib
import ctypes
import gc
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import scorefield as sf

X = np.clip(np.random.default_rng(0).normal(size=(37, 4, 4, 1)), -1, 1).astype(np.float32)
LABELS = np.arange(37) % 3
WORDS = {"batch_size": 16, "seed": 5, "progress": False}  # 37 rows: no batch ends with an epoch


def new():
    net = sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3, dropout=0.1, seed=2)
    return sf.Diffusion(net, sf.schedules.Cosine(50))


def content(model):
    """All that training makes, as bytes."""
    return sf.checkpoint.pack(*model._content())


def run_script(text, *arguments, timeout=60):
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- the same bytes


def test_threads_do_not_change_a_bit():
    found = []
    for threads in (1, 2, 3):
        with sf.set_num_threads(threads):
            model = new().fit(X, LABELS, steps=6, **WORDS)
            found.append(
                (
                    content(model),
                    model.sample(9, labels=1, guidance=2.0, steps=5).tobytes(),
                    model.evaluate(X, LABELS).loss,
                )
            )
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("sampler", ["ddim", "ancestral", "dpm_solver_pp", "renoise"])
def test_parts_of_a_batch_are_the_whole(sampler):
    model = new().fit(X, LABELS, steps=3, **WORDS)
    words = {"labels": [0, 1, None, 2, 0], "sampler": sampler, "steps": 5, "guidance": 1.5, "seed": 9}
    whole = model.sample(40, **words)
    cuts = [0, 1, 2, 9, 33, 40]
    parts = [model.sample(b - a, start=a, **words) for a, b in itertools.pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_another_process_gives_the_same_bytes(tmp_path):
    np.save(tmp_path / "x.npy", X)
    new().fit(X, LABELS, steps=5, **WORDS).save(tmp_path / "here")
    run_script(
        """
        import sys, numpy as np, scorefield as sf
        x = np.load(sys.argv[1] + "/x.npy")
        net = sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3, dropout=0.1, seed=2)
        model = sf.Diffusion(net, sf.schedules.Cosine(50))
        model.fit(x, np.arange(37) % 3, steps=5, batch_size=16, seed=5, progress=False).save(sys.argv[1] + "/there")
        """,
        tmp_path,
    )
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


# ---- going on


def weights(model):
    return model.net.theta.tobytes(), model.sample(4, labels=0, steps=3).tobytes()


@pytest.mark.parametrize("stop", [1, 2, 5, 7, 13])
@pytest.mark.parametrize("how", ["callback", "file"])
def test_resumed_training_is_the_uninterrupted_one(tmp_path, stop, how):
    """One epoch is 37/16 steps: 1, 2, 5 and 7 stop in the middle of one."""
    whole = new().fit(X, LABELS, steps=15, **WORDS)
    part = new().fit(X, LABELS, steps=15, every=1, callback=lambda event: event.step == stop, **WORDS)
    assert part.step == stop
    if how == "file":
        part.save(tmp_path / "a")
        part = sf.load(tmp_path / "a")
    part.fit(X, LABELS, steps=15 - stop, **WORDS)
    assert weights(part) == weights(whole)


def test_a_run_goes_on_in_a_new_process(tmp_path):
    np.save(tmp_path / "x.npy", X)
    run = sf.Run(tmp_path / "run", every=4, keep=2)
    whole = new().fit(X, LABELS, steps=15, **WORDS)
    new().fit(X, LABELS, steps=15, run=run, every=3, callback=lambda event: event.step == 6, **WORDS)
    assert run.steps() == [4, 6]
    run_script(
        """
        import sys, numpy as np, scorefield as sf
        x = np.load(sys.argv[1] + "/x.npy")
        model = sf.load(sys.argv[1] + "/run")
        assert model.step == 6
        run = sf.Run(sys.argv[1] + "/run", every=4, keep=2)
        model.fit(x, np.arange(37) % 3, steps=15, run=run, batch_size=16, seed=5, progress=False)
        """,
        tmp_path,
    )
    assert run.steps() == [12, 15]
    resumed = sf.load(tmp_path / "run")
    assert weights(resumed) == weights(whole)
    again = new().fit(X, LABELS, steps=15, run=run, **WORDS)  # finished: nothing is left to do
    assert again.step == 15
    assert weights(again) == weights(whole)
    told = []
    longer = new().fit(X, LABELS, steps=20, run=run, every=1, callback=lambda event: told.append(event.step), **WORDS)
    assert told == [16, 17, 18, 19, 20]  # a longer one goes on where the run stood
    assert weights(longer) == weights(new().fit(X, LABELS, steps=20, **WORDS))


def test_a_run_killed_without_warning_goes_on_from_its_last_checkpoint(tmp_path):
    np.save(tmp_path / "x.npy", X)
    text = """
        import os, signal, sys, numpy as np, scorefield as sf
        x = np.load(sys.argv[1] + "/x.npy")
        net = sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3, dropout=0.1, seed=2)
        model = sf.Diffusion(net, sf.schedules.Cosine(50))
        kill = lambda event: event.step == 7 and os.kill(os.getpid(), signal.SIGKILL)
        run = sf.Run(sys.argv[1] + "/run", every=5)
        model.fit(x, np.arange(37) % 3, steps=12, run=run, every=1, callback=kill, batch_size=16, seed=5,
        progress=False)
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(text), tmp_path], check=False, timeout=60)
    assert process.returncode == -signal.SIGKILL
    run = sf.Run(tmp_path / "run", every=5)
    assert run.steps() == [5]
    assert weights(new().fit(X, LABELS, steps=12, run=run, **WORDS)) == weights(new().fit(X, LABELS, steps=12, **WORDS))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"batch_size": 8}, "settings.batch_size: 16 there, 8 here"),
        ({"lr": 2e-3}, r"settings.optimizer: Adam\(lr=0.001"),
        ({"seed": 6}, "settings.seed: 5 there, 6 here"),
        ({"ema": 0.9}, "settings.ema"),
        ({"loss": "min_snr"}, "settings.loss"),
        ({"x": X + 1e-6}, "data: "),
        ({"labels": LABELS[::-1]}, "data: "),
        ({"steps": 4}, "has made 6 steps already"),
    ],
)
def test_a_run_of_other_settings_or_data_is_refused(tmp_path, change, match):
    run = tmp_path / "run"
    new().fit(X, LABELS, steps=6, run=run, **WORDS)
    words = {"x": X, "labels": LABELS, "steps": 9, "run": run} | WORDS | change
    with pytest.raises(ValueError, match=match):
        new().fit(words.pop("x"), words.pop("labels"), **words)


def test_a_run_of_another_model_is_refused(tmp_path):
    new().fit(X, LABELS, steps=6, run=tmp_path, **WORDS)
    other = sf.Diffusion(
        sf.UNet((4, 4, 1), widths=(8, 8), depth=1, classes=3, dropout=0.1, seed=3), sf.schedules.Cosine(51)
    )
    with pytest.raises(ValueError, match=r"network.seed: 2 there, 3 here; schedule.T: 50 there, 51 here"):
        other.fit(X, LABELS, steps=9, run=tmp_path, **WORDS)
    ahead = new().fit(X, LABELS, steps=8, **WORDS)
    with pytest.raises(ValueError, match="the model stands at step 8, the run"):
        ahead.fit(X, LABELS, steps=9, run=tmp_path, **WORDS)


def test_a_file_saved_at_an_event_goes_on_as_the_training_did(tmp_path):
    model = new()
    model.fit(X, LABELS, steps=12, every=5, callback=lambda event: model.save(tmp_path / str(event.step)), **WORDS)
    for step in (5, 10):
        part = sf.load(tmp_path / str(step))
        assert part.step == step
        assert weights(part.fit(X, LABELS, steps=12 - step, **WORDS)) == weights(model)


def test_files_saved_by_another_thread_during_training_are_whole(tmp_path):
    model, stop, saved = new(), threading.Event(), []

    def save():
        while not stop.is_set():
            saved.append(content(model))

    thread = threading.Thread(target=save)
    thread.start()
    events = {0: content(new())}
    for event in model.fit_iter(X, LABELS, steps=40, every=2, **WORDS):
        events[event.step] = content(model)
    stop.set()
    thread.join()
    started = {bytes_ for bytes_ in saved if bytes_ not in events.values()}
    assert len(started) <= 1  # between the start and the first event: step 0 with the record of the fit
    assert len(set(saved)) > 2


def test_another_optimiser_keeps_step_and_average_and_starts_its_own_moments(tmp_path):
    model = new().fit(X, LABELS, steps=3, **WORDS)
    average = model._learner.stage.state["ema.average"]
    model.fit(X, LABELS, steps=1, optimizer="sgd", ema=0.5, **WORDS)
    assert model.step == 4
    expected = average + (1 - min(0.5, 4 / 13)) * (model.net.theta - average)  # its fourth step: d = 4 / 13
    np.testing.assert_allclose(model._learner.stage.state["ema.average"], expected, rtol=1e-5, atol=1e-7)
    assert not any(name.startswith("adam") for name in model._learner.stage.state)
    model.save(tmp_path / "a")
    assert content(sf.load(tmp_path / "a")) == content(model)


# ---- interruption


def interrupt_after(seconds):
    """Press Ctrl-C in a while; returns the list that will hold the moment of it."""
    pressed = []

    def press():
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, press)
    timer.start()
    return pressed


DEFAULT = ((8, 8, 1), (32, 64))


@pytest.mark.measured
def test_ctrl_c_in_fit_is_answered_soon_and_the_model_is_whole():
    x = np.random.default_rng(0).normal(size=(256, 8, 8, 1)).astype(np.float32)
    model = sf.Diffusion(sf.UNet(DEFAULT[0], widths=DEFAULT[1]), sf.schedules.Cosine(1000))
    pressed = interrupt_after(1.5)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, steps=10**6, every=10**6, progress=False)
    assert time.perf_counter() - pressed[0] < 0.25
    assert np.isfinite(model.sample(2, steps=2)).all()
    assert model.step > 0
    fresh = sf.Diffusion(sf.UNet(DEFAULT[0], widths=DEFAULT[1]), sf.schedules.Cosine(1000))
    fresh.fit(x, steps=model.step, progress=False)
    assert np.array_equal(fresh.net.theta, model.net.theta)


@pytest.mark.measured
def test_ctrl_c_in_sample_is_answered_soon_and_the_model_goes_on():
    model = sf.Diffusion(sf.UNet(DEFAULT[0], widths=DEFAULT[1]), sf.schedules.Cosine(1000))
    pressed = interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        model.sample(100, sampler="ancestral", progress=False)
    assert time.perf_counter() - pressed[0] < 0.25
    assert np.isfinite(model.sample(2, steps=2)).all()


def test_ctrl_c_saves_the_run(tmp_path):
    run = sf.Run(tmp_path, every=10**6)
    interrupt_after(0.7)
    model = new()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, steps=10**6, run=run, **WORDS)
    assert run.steps() == [model.step]
    assert content(sf.load(tmp_path)) == content(model)


# ---- numbers that are not finite


def test_a_loss_that_explodes_ends_the_fit_and_the_model_goes_back():
    model = new().fit(X, LABELS, steps=10, every=5, **WORDS)
    with pytest.raises(sf.NonFiniteError, match=r"at step 1\d; the model is back at step 10; lower lr \(1e\+30\)"):
        model.fit(X, LABELS, steps=50, lr=1e30, **WORDS)
    assert model.step == 10
    assert np.isfinite(model.sample(3, steps=3)).all()
    whole = new().fit(X, LABELS, steps=20, every=5, **WORDS)
    assert weights(model.fit(X, LABELS, steps=10, **WORDS)) == weights(whole)


def test_a_loss_of_ones_own_that_gives_nan_is_named():
    class Broken(sf.Loss):
        def __call__(self, y, target, level):
            return np.full(len(y), np.nan), np.zeros_like(y)

    model = new()
    with pytest.raises(sf.NonFiniteError, match="loss became nan at step 1; the model is back at step 0"):
        model.fit(X, LABELS, steps=5, loss=Broken(), **WORDS)


def test_an_error_in_a_callback_or_loss_leaves_whole_steps():
    class Stops(sf.Loss):
        calls = 0

        def __call__(self, y, target, level):
            Stops.calls += 1
            if Stops.calls > 3:
                raise ZeroDivisionError("my loss")
            r = (y - target).reshape(len(y), -1)
            return (r * r).mean(1), (2 * r / r.shape[1]).reshape(y.shape)

    model = new()
    with pytest.raises(ZeroDivisionError, match="my loss"):
        model.fit(X, LABELS, steps=10, loss=Stops(), **WORDS)
    assert model.step == 3
    model = new()
    with pytest.raises(ZeroDivisionError):
        model.fit(X, LABELS, steps=10, every=2, callback=lambda event: 1 / 0, **WORDS)
    assert model.step == 2
    assert weights(model) == weights(new().fit(X, LABELS, steps=2, **WORDS))


# ---- processes and threads


def test_eight_threads_with_models_of_their_own():
    alone = [new().fit(X, LABELS, steps=4, **(WORDS | {"seed": k})) for k in range(8)]
    together, barrier = [None] * 8, threading.Barrier(8)

    def work(k):
        barrier.wait()
        together[k] = new().fit(X, LABELS, steps=4, **(WORDS | {"seed": k}))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(a) for a in alone] == [content(b) for b in together]


def test_one_model_sampled_by_eight_threads_at_once():
    model = new().fit(X, LABELS, steps=4, **WORDS)
    alone = [model.sample(5, seed=k, steps=5) for k in range(8)]
    found, barrier = [None] * 8, threading.Barrier(8)

    def work(k):
        barrier.wait()
        found[k] = model.sample(5, seed=k, steps=5)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, found, strict=True))


def test_sampling_while_training_sees_whole_weights():
    """Every answer is that of some event: never half of one set of weights and half of the next."""
    model = new()
    answers, events = [], []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            answers.append(model.sample(2, steps=2, labels=0).tobytes())

    thread = threading.Thread(target=ask)
    thread.start()
    for _ in model.fit_iter(X, LABELS, steps=40, every=4, **WORDS):
        events.append(model.sample(2, steps=2, labels=0).tobytes())
    stop.set()
    thread.join()
    first = new().sample(2, steps=2, labels=0).tobytes()
    assert set(answers) <= {first, *events}


# ---- leaks


def resident():
    """Bytes of memory in use; what malloc keeps for later, some megabytes up and down, is given back first."""
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.measured
@pytest.mark.parametrize("cycles", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_models_leave_nothing_behind(cycles):
    def cycle():
        model = new()
        model.fit(X, LABELS, steps=2, every=1, validation=(X, LABELS), **WORDS)
        model.sample(4, steps=2, labels=1, guidance=2.0)
        with pytest.raises(ValueError, match="labels"):
            model.sample(4, labels=7)

    for _ in range(20):
        cycle()
    before, references = resident(), sys.getrefcount(X)
    for _ in range(cycles):
        cycle()
    assert resident() - before < 2**20
    assert sys.getrefcount(X) == references


@contextlib.contextmanager
def notebook_kernel():
    """Give run(code, interrupt_after=None) -> what the code prints in a kernel of its own."""
    manager_of = pytest.importorskip("jupyter_client.manager")
    manager, client = manager_of.start_new_kernel(kernel_name="python3")

    def run(code, interrupt_after=None):
        printed, done = [], client.execute(textwrap.dedent(code))
        deadline = time.monotonic() + 60
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            manager.interrupt_kernel()
        while time.monotonic() < deadline:
            message = client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != done:
                continue
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return "".join(printed)
        raise AssertionError("the kernel did not answer")

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_notebook_kernel_is_interrupted_and_goes_on():
    with notebook_kernel() as run:
        run("""
            import time, numpy as np, scorefield as sf
            x = np.random.default_rng(0).normal(size=(256, 8, 8, 1)).astype(np.float32)
            model = sf.Diffusion(sf.UNet((8, 8, 1), widths=(32, 64)), "cosine").fit(x, steps=2, progress=False)
        """)
        run(
            """
            try:
                model.fit(x, steps=10**6, progress=False)
            except KeyboardInterrupt:
                stopped = model.step
            """,
            interrupt_after=2.0,
        )
        out = run("""
            further = model.fit(x, steps=1, progress=False).step - stopped
            print(stopped > 2, further, model.sample(2, steps=2).shape)
        """)
        assert out.strip() == "True 1 (2, 8, 8, 1)"
