"""Every test leaves the process as it found it."""

import os
import signal

import numpy as np
import pytest

FOREIGN = ("PYTEST_", "KMP_", "TORCH")  # set by pytest for each phase, by scikit-learn and by torch when imported

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that started the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def process_state():
    """What a library must not change behind its user's back."""
    tiny = np.array([1e-40], np.float32)
    return {
        "environment": {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
        "signal handlers": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "numpy error handling": np.geterr(),
        "subnormal numbers": float(tiny[0] * np.float32(0.5)) > 0,
        "numpy's global random state": np.random.get_state()[1].tobytes(),  # noqa: NPY002
        "working directory": os.getcwd(),
    }


@pytest.fixture(autouse=True)
def _unchanged_process():
    before = process_state()
    yield
    after = process_state()
    for what, value in before.items():
        assert after[what] == value, f"the test changed the process: {what}"
