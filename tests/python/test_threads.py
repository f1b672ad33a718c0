"""Threads: who sets their number, what other libraries in the process notice, and that none of them spins.

Most of it needs a process of its own: what a process imports and forks, and in which order, is the point.
"""

import os
import subprocess
import sys
import textwrap

import pytest

import scorefield as sf
from scorefield import _core

BEGIN = """
import json, os, sys, time
import numpy as np
def train():
    import scorefield as sf
    x = np.random.default_rng(0).normal(size=(64, 4, 4, 1)).astype(np.float32)
    net = sf.UNet((4, 4, 1), widths=(8, 8), depth=1, seed=2)
    return sf.Diffusion(net, "cosine").fit(x, steps=5, seed=1, progress=False).net.theta.tobytes()
def tasks():
    return len(os.listdir("/proc/self/task"))
"""

two = pytest.mark.skipif(_core.threads() < 2, reason="needs two processors")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")


def run(script, **environment):
    """Run a script in a process of its own; return what it prints."""
    inherited = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(script)],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_machine_the_cap_and_the_assumption_of_tests():
    seen = run("""
        import scorefield as sf
        from scorefield import _core
        _core.assume_processors(5)
        assert sf.get_num_threads() == 5
        with sf.set_num_threads(3):
            assert sf.get_num_threads() == 3
        _core.assume_processors(0)
        print(sf.get_num_threads())
    """)
    assert int(seen) <= len(os.sched_getaffinity(0))


# ---- who sets the number


def test_the_environment_of_openmp_is_obeyed():
    assert run("import scorefield as sf; print(sf.get_num_threads())", OMP_NUM_THREADS="1") == "1"


@linux
def test_affinity_is_obeyed_before_and_after_the_import():
    out = run("""
        everything = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(everything)})
        import scorefield as sf
        first = sf.get_num_threads()
        os.sched_setaffinity(0, everything)
        train()
        os.sched_setaffinity(0, {max(everything)})
        print(first, sf.get_num_threads())
    """)
    assert out == "1 1"


IMPORTS = [
    "import scorefield",
    "import torch, scorefield",
    "import scorefield, torch",
    "import sklearn.linear_model, scorefield",
    "import scorefield, sklearn.linear_model",
]


@linux
@two
@pytest.mark.parametrize("imports", IMPORTS)
def test_threadpoolctl_limits_us_and_lets_go(imports):
    """Under the limit no thread is made; after it there is one more, and the same bytes."""
    for package in ("threadpoolctl", *imports.removeprefix("import ").split(", ")):
        pytest.importorskip(package.split(".")[0])
    out = run(f"""
        {imports}
        import scorefield as sf
        from threadpoolctl import threadpool_limits
        before, free = tasks(), sf.get_num_threads()
        with threadpool_limits(1):
            limited = sf.get_num_threads()
            alone = train()
            made = tasks() - before
        assert sf.get_num_threads() == free >= 2
        assert train() == alone
        print(limited, made, tasks() - before)
    """)
    assert out == "1 0 1"


# ---- beside other libraries

OTHERS = {
    "torch": "import torch; a = torch.ones(700, 700); b = float((a @ a).sum()); n = torch.get_num_threads()",
    "sklearn": "from sklearn.cluster import KMeans; import numpy as np; from threadpoolctl import threadpool_info; "
    "b = KMeans(4, n_init=1, random_state=0).fit(np.random.default_rng(0).normal(size=(3000, 8))).inertia_; "
    "n = min(pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'openmp')",
}


@two
@pytest.mark.parametrize("other", OTHERS)
def test_other_libraries_imported_before_or_after_change_nothing_and_keep_their_threads(other):
    pytest.importorskip(other)
    ours = "import scorefield as sf; bytes_ = train(); threads = sf.get_num_threads()"
    tell = "print(threads, n, b, __import__('hashlib').sha256(bytes_).hexdigest())"
    orders = [f"{OTHERS[other]}\n{ours}\n{tell}", f"{ours}\n{OTHERS[other]}\n{tell}"]
    before, after = (run(order).split() for order in orders)
    assert before == after
    assert int(before[0]) >= 2
    assert int(before[1]) >= 2
    assert before[3] == run(ours + "\n" + tell.replace("threads, n, b,", "0, 0, 0,")).split()[3]


def test_children_of_a_fork_work_after_training():
    out = run(
        """
        import multiprocessing, warnings
        import scorefield as sf
        warnings.simplefilter("ignore")
        x = np.random.default_rng(0).normal(size=(64, 4, 4, 1)).astype(np.float32)
        model = sf.Diffusion(sf.UNet((4, 4, 1), widths=(8, 8)), "cosine").fit(x, steps=5, progress=False)
        def ask(k):
            return model.sample(4, start=4 * k, steps=3), model.copy().fit(x, steps=1, progress=False).step
        here = [ask(k) for k in range(4)]
        for _ in range(20):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                there = pool.map(ask, range(4))
            assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] == 6 for a, b in zip(here, there))
        print("well")
        """
    )
    assert out == "well"


@two
@linux
def test_a_child_of_a_fork_has_workers_of_its_own():
    out = run("""
        train()
        child = os.fork()
        if child == 0:
            train()
            os._exit(tasks())
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert int(out) >= 2


def test_a_child_forked_while_another_thread_trains_works():
    """The child has none of the parent's workers, and perhaps the parent's pool in the middle of a loop."""
    out = run(
        """
        import threading
        import scorefield as sf
        truth, stop = train(), threading.Event()
        def others():
            while not stop.is_set():
                train()
        thread = threading.Thread(target=others)
        thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                import signal
                signal.alarm(60)
                os._exit(0 if train() == truth else 1)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        thread.join()
        print("well")
        """
    )
    assert out == "well"


@pytest.mark.parametrize("other", OTHERS)
def test_children_of_a_fork_work_beside_a_library_that_has_used_its_threads(other):
    """OpenMP's own threads do not survive a fork: a child that entered a region of it would wait for ever."""
    pytest.importorskip(other)
    out = run(f"""
        {OTHERS[other]}
        truth = train()
        for _ in range(5):
            child = os.fork()
            if child == 0:
                import signal
                signal.alarm(60)
                os._exit(0 if train() == truth else 1)
            assert os.waitpid(child, 0)[1] == 0
        print("well")
    """)
    assert out == "well"


def test_a_fork_in_the_middle_of_a_training_leaves_two_that_go_on():
    out = run(
        """
        import signal
        import scorefield as sf
        x = np.random.default_rng(0).normal(size=(64, 4, 4, 1)).astype(np.float32)
        def fit(callback=None):
            model = sf.Diffusion(sf.UNet((4, 4, 1), widths=(8, 8), seed=2), "cosine")
            return model.fit(x, steps=9, every=3, callback=callback, progress=False).net.theta.tobytes()
        truth, children = fit(), []
        def fork(event):
            if event.step == 3:
                children.append(os.fork())
                if children[0] == 0:
                    signal.alarm(60)
        well = fit(fork) == truth
        if children[0] == 0:
            os._exit(0 if well else 1)
        print(well, os.waitpid(children[0], 0)[1])
        """
    )
    assert out == "True 0"


def test_joblib_workers_give_the_same_samples():
    joblib = pytest.importorskip("joblib")
    model = sf.Diffusion(sf.MLP(3, widths=(8,)), "cosine")
    ask = joblib.delayed(model.sample)
    there = joblib.Parallel(n_jobs=2)(ask(3, start=3 * k, steps=3) for k in range(4))
    assert [a.tobytes() for a in there] == [model.sample(3, start=3 * k, steps=3).tobytes() for k in range(4)]


# ---- threads of Python


def test_python_threads_within_python_threads_give_the_bytes_of_one():
    """The interpreter changes threads a hundred times as often as usual."""
    out = run("""
        from concurrent.futures import ThreadPoolExecutor
        truth = train()
        sys.setswitchinterval(5e-5)
        def outer(_):
            with ThreadPoolExecutor(2) as inner:
                return [train(), *inner.map(lambda _: train(), range(2))]
        with ThreadPoolExecutor(3) as pool:
            found = [bytes_ for part in pool.map(outer, range(3)) for bytes_ in part]
        print(len(found), set(found) == {truth})
    """)
    assert out == "9 True"


def test_a_denoiser_in_python_may_ask_the_library_and_from_a_thread_of_its_own():
    """It is called between two parallel loops: the workers are free for it."""
    out = run("""
        from concurrent.futures import ThreadPoolExecutor
        import scorefield as sf
        mixture = sf.GaussianMixture(np.array([[-1.0, 0], [1, 0]]), stds=0.3).denoiser("cosine")
        def in_a_thread(x_t, t):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(mixture.denoise, x_t, t).result()
        ways = [sf.Denoiser(ask, "cosine", 2) for ask in (mixture.denoise, in_a_thread)]
        here, there = (way.sample(3000, steps=8, sampler="ancestral", seed=4) for way in ways)
        print(np.isfinite(here).all(), np.array_equal(here, there))
    """)
    assert out == "True True"


# ---- nobody spins


@pytest.mark.measured
@two
def test_workers_sleep_when_there_is_nothing_to_do():
    """Half a second of waiting, at the end or while Python thinks, costs no processor time: 2 % is a wide bound."""
    out = run(
        """
        import scorefield as sf
        train()
        start = time.process_time()
        time.sleep(0.5)
        idle = time.process_time() - start
        mixture = sf.GaussianMixture(np.zeros((1, 2)), stds=1.0).denoiser("cosine")
        slow = sf.Denoiser(lambda x_t, t: time.sleep(0.05) or mixture.denoise(x_t, t), "cosine", 2)
        slow.sample(2000, steps=2)
        start, asked = time.process_time(), time.perf_counter()
        slow.sample(2000, steps=10)
        print(idle < 0.01, (time.process_time() - start) / (time.perf_counter() - asked) < 0.2)
        """
    )
    assert out == "True True"
