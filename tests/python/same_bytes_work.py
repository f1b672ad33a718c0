"""What the tests of the determinism contract run; `python same_bytes_work.py KIND STEPS` runs it in a new process.

Two real models on the fast engine, 100 steps each with all that a training draws (order, times, noise, dropout, labels
left out), then samples by a deterministic and a stochastic sampler under guidance.
"""

import hashlib
import json
import sys

import numpy as np

import scorefield as sf

KINDS = ("mlp", "unet")
STEPS, ROWS, BATCH = 100, 31, 12  # an epoch is 2.6 steps: many batches hold rows of two
SAMPLERS = ("dpm_solver_pp", "ancestral")
LABELS = np.arange(ROWS) % 3


def data(kind):
    """Rows without pattern, within [-1, 1]."""
    shape = {"mlp": (5,), "unet": (8, 8, 1)}[kind]
    return np.clip(np.random.default_rng(7).normal(size=(ROWS, *shape)), -1, 1).astype(np.float32)


def new(kind):
    """Odd widths, attention, dropout: nothing that 16 lanes divide by chance."""
    if kind == "mlp":
        return sf.Diffusion(sf.MLP(5, widths=(40, 33), classes=3, seed=2), sf.schedules.EDM())
    net = sf.UNet((8, 8, 1), widths=(8, 20), depth=1, attention=(4,), groups=4, classes=3, dropout=0.1, seed=2)
    return sf.Diffusion(net, sf.schedules.Cosine(50))


def fit(model, kind, steps, seed=5):
    """Go on by `steps` steps; the loss of the UNet learns from its values when to draw which time."""
    loss = {"mlp": None, "unet": "vlb"}[kind]
    return model.fit(data(kind), LABELS, steps=steps, batch_size=BATCH, loss=loss, seed=seed, progress=False)


def samples(model, sampler, n=17, start=0):
    """Guided samples, some without label."""
    return model.sample(
        n, labels=[0, 1, None, 2, 0], sampler=sampler, steps=6, guidance=1.5, seed=9, start=start, progress=False
    )


def digest(array):
    """Return the SHA-256 of the bytes."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def digests(model, kind):
    """Tell everything that a run gives: weights, moments, average, samples, the loss on given data."""
    stage = model._learner.stage
    made = {"weights": model.net.theta, **stage.state, "loss": np.float64(model.evaluate(data(kind), LABELS).loss)}
    made |= {sampler: samples(model, sampler) for sampler in SAMPLERS}
    return {name: digest(array) for name, array in sorted(made.items())}


def run(kind, steps=STEPS):
    """Return the digests of a run of so many steps."""
    return digests(fit(new(kind), kind, steps), kind)


if __name__ == "__main__":
    info = sf.build_info()
    print(json.dumps({"isa": info["isa"], "threads": info["threads"], "digests": run(sys.argv[1], int(sys.argv[2]))}))
