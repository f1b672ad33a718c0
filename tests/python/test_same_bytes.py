"""The determinism contract of docs/determinism.md, line by line: the same call gives the same bytes, always.

Every test compares SHA-256 digests of weights, moments, averages, samples and losses with those of one run.
"""

import functools
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import same_bytes_work as work

import scorefield as sf
from scorefield import _core

# The generic level does without fma instructions and takes its time: a hundred steps of it are a slow test.
LEVELS = [(level, 10 if level == "generic" else work.STEPS) for level in sf.build_info()["isa_levels"]]
LEVELS += [pytest.param("generic", work.STEPS, marks=pytest.mark.slow)] if ("generic", 10) in LEVELS else []
kinds = pytest.mark.parametrize("kind", work.KINDS)


@functools.cache
def trained(kind):
    return work.fit(work.new(kind), kind, work.STEPS)


@functools.cache
def truth(kind, steps=work.STEPS):
    """What every other run must give."""
    return work.digests(trained(kind), kind) if steps == work.STEPS else work.run(kind, steps)


def in_a_process(script, *arguments, **environment):
    """Run a script with these arguments and environment variables; return the JSON that it prints."""
    command = [sys.executable, *map(str, [script, *arguments])]
    inherited = {k: v for k, v in os.environ.items() if k not in ("SCOREFIELD_ISA", "OMP_NUM_THREADS")}
    done = subprocess.run(
        command, env=inherited | environment, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@kinds
def test_a_second_run(kind):
    assert work.run(kind) == truth(kind)


@kinds
def test_another_seed_gives_other_bytes_so_the_digests_mean_something(kind):
    other = work.digests(work.fit(work.new(kind), kind, work.STEPS, seed=6), kind)
    assert all(other[name] != truth(kind)[name] for name in ("weights", "loss", "ema.average", *work.SAMPLERS))


@kinds
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(kind, threads):
    """Also more threads than this machine has processors."""
    expected = truth(kind)
    _core.assume_processors(threads)
    try:
        assert sf.get_num_threads() == threads
        assert work.run(kind) == expected
    finally:
        _core.assume_processors(0)


@kinds
@pytest.mark.parametrize("sampler", work.SAMPLERS)
@pytest.mark.parametrize("cuts", [[0, 1, 2, 9, 33, 40], [0, 20, 40], range(41)], ids=["odd", "halves", "one by one"])
def test_any_split_of_a_batch(kind, sampler, cuts):
    """Labels go round with the global index, so every part begins a multiple of the five labels further on."""
    model = trained(kind)
    words = {"labels": [0, 1, None, 2, 0], "sampler": sampler, "steps": 4, "guidance": 1.5, "seed": 9}
    whole = model.sample(40, **words)
    parts = [model.sample(end - begin, start=begin, **words) for begin, end in itertools.pairwise(cuts)]
    assert work.digest(np.concatenate(parts)) == work.digest(whole)


@pytest.mark.parametrize(
    "net",
    [
        sf.MLP(3, widths=(30, 7)),
        sf.UNet((7, 5, 2), widths=(6, 10), groups=1, attention=(4,), head_channels=5),
    ],
    ids=["MLP", "UNet"],
)
def test_any_split_on_the_reference_engine(net):
    """Widths that fill no vectors, so that a sample lies elsewhere in memory in every split."""
    model = sf.Diffusion(net, sf.schedules.Cosine(100), engine="reference")
    whole = model.sample(9, steps=3, seed=1)
    parts = [model.sample(end - begin, steps=3, seed=1, start=begin) for begin, end in itertools.pairwise([0, 1, 4, 9])]
    assert work.digest(np.concatenate(parts)) == work.digest(whole)
    with sf.set_num_threads(1):
        assert work.digest(model.sample(9, steps=3, seed=1)) == work.digest(whole)


@kinds
def test_any_part_that_goes_through_the_loop_at_once(kind, monkeypatch):
    monkeypatch.setattr("scorefield.sampling.LARGEST_STATE", 3 * np.prod(trained(kind).shape))
    for sampler in work.SAMPLERS:
        assert work.digest(work.samples(trained(kind), sampler)) == truth(kind)[sampler]


@kinds
@pytest.mark.parametrize(("level", "steps"), LEVELS)
def test_any_instruction_level(kind, level, steps):
    found = in_a_process("same_bytes_work.py", kind, steps, SCOREFIELD_ISA=level)
    assert found["isa"] == level
    assert found["digests"] == truth(kind, steps)


@kinds
def test_another_process_with_one_thread_and_other_rubbish_in_its_memory(kind):
    found = in_a_process(
        "same_bytes_work.py", kind, work.STEPS, OMP_NUM_THREADS="1", MALLOC_PERTURB_="85", PYTHONHASHSEED="3"
    )
    assert found["threads"] == 1
    assert found["digests"] == truth(kind)


GO_ON = """
import json, sys, same_bytes_work as work, scorefield as sf
kind, file, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
print(json.dumps(work.digests(work.fit(sf.load(file), kind, steps), kind)))
"""


@kinds
@pytest.mark.parametrize("stop", [37, 45], ids=["within an epoch", "between two"])
def test_save_and_go_on_in_another_process(kind, stop, tmp_path):
    work.fit(work.new(kind), kind, stop).save(tmp_path / "model")
    rest = work.STEPS - stop
    assert in_a_process("-c", GO_ON, kind, tmp_path / "model", rest) == truth(kind)


@kinds
def test_cut_into_calls(kind):
    model = work.new(kind)
    for steps in (1, 36, 50, 13):
        work.fit(model, kind, steps)
    assert work.digests(model, kind) == truth(kind)
