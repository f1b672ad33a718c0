"""Files under attack: killed while saving, full disk, forged and damaged content."""

import copy
import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import scorefield as sf
from scorefield import checkpoint

MEGABYTE = 2**20


def script(text, *arguments, **options):
    """A process of its own that runs this text."""
    command = [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


SAVE_FOREVER = """
    import sys, numpy as np
    from scorefield import checkpoint
    print("ready", flush=True)
    for k in range(10**9):
        checkpoint.save(sys.argv[1], {"k": k}, {"theta": np.full(10**6, k % 256, np.float32)})
"""


def whole(path):
    """The number of the save that the file holds, checked to be all of one save."""
    with checkpoint.open_file(path) as reader:
        theta = reader.tensors({"theta": checkpoint.Expected((10**6,))})["theta"]
        k = reader.field("k", int)
    assert (theta == k % 256).all()
    return k


@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_while_saving(tmp_path, times):
    path = tmp_path / "model"
    checkpoint.save(path, {"k": 0}, {"theta": np.zeros(10**6, np.float32)})
    chance = random.Random(0)
    left_behind = 0
    for _ in range(times):
        process = script(SAVE_FOREVER, path)
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.04))
        process.kill()
        process.communicate()
        whole(path)
        left_behind += len(os.listdir(tmp_path)) - 1
    assert left_behind > 0  # the kills did hit saves under way
    checkpoint.save(path, {"k": 7}, {"theta": np.full(10**6, 7, np.float32)})
    assert whole(path) == 7
    assert os.listdir(tmp_path) == ["model"]


def test_a_full_disk_loses_nothing(tmp_path):
    path = tmp_path / "model"
    checkpoint.save(path, {"k": 3}, {"theta": np.full(10**6, 3, np.float32)})
    process = script(
        """
        import resource, sys, numpy as np
        from scorefield import checkpoint
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 2**20, 2 * 2**20))
        try:
            checkpoint.save(sys.argv[1], {"k": 4}, {"theta": np.full(10**6, 4, np.float32)})
        except OSError as error:
            print("OSError")
        """,
        path,
    )
    assert process.communicate()[0].strip() == "OSError"
    assert whole(path) == 3
    assert os.listdir(tmp_path) == ["model"]


def test_ctrl_c_while_saving_keeps_the_old_file_or_the_new(tmp_path):
    path = tmp_path / "model"
    for k in range(4):
        process = script(SAVE_FOREVER, path, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * k)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        whole(path)
    checkpoint.save(path, {"k": 7}, {"theta": np.full(10**6, 7, np.float32)})
    assert os.listdir(tmp_path) == ["model"]


# ---- forged files


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of three sound model files."""
    x, labels = np.random.default_rng(0).normal(size=(30, 4, 4, 1)).astype(np.float32).clip(-1, 1), np.arange(30) % 2
    folder = tmp_path_factory.mktemp("sound")
    unet = sf.UNet((4, 4, 1), widths=(4, 4), depth=1, classes=2)
    models = [
        sf.Diffusion(unet, sf.schedules.Cosine(10), scale="standard").fit(x, labels, steps=2, every=1, progress=False),
        sf.Diffusion(sf.MLP(2, widths=(3,)), sf.schedules.Table(betas=[0.1, 0.5, 0.99])),
        sf.Classifier(sf.Encoder((4, 4, 1), widths=(4, 4), out=2), "vp").fit(x, labels, steps=2, progress=False),
    ]
    files = []
    for model in models:
        model.save(folder / "a")
        files.append((folder / "a").read_bytes())
    return files


def flip_bits(data, chance):
    """A few bits anywhere, more often in the header."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        end = len(data) if chance.random() < 0.5 else min(len(data), 2500)
        data[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(data)


def cut(data, chance):
    return data[: chance.randrange(len(data))]


def splice(data, chance):
    """A piece of the file somewhere else in it."""
    a, b, n = chance.randrange(len(data)), chance.randrange(len(data)), chance.randrange(200)
    return data[:a] + data[b : b + n] + data[a + (n if chance.random() < 0.5 else 0) :]


HOSTILE = [
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**30,
    0.5,
    -1e308,
    True,
    None,
    "",
    "x",
    "__import__('os')",
    [],
    {},
    [[]],
    [2**40],
]
HOSTILE += [
    "Diffusion",
    "Classifier",
    "UNet",
    "MLP",
    "Encoder",
    "Linear",
    "VE",
    "vlb",
    [65536] * 8,
    [4] * 2000,
    "\x00\u202e",
    [[[[1]]]],
]


def leaves(tree, path=()):
    yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from leaves(value, (*path, i))


def edit(tree, chance):
    """Replace, remove or add one thing of a tree of JSON values, in place."""
    path = chance.choice([p for p in leaves(tree) if p])
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    action = chance.random()
    if action < 0.75:
        parent[path[-1]] = copy.deepcopy(chance.choice(HOSTILE))
    elif action < 0.9:
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[str(chance.random())] = copy.deepcopy(chance.choice(HOSTILE))


def parts(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def edit_configuration(data, chance):
    header, body = parts(data)
    config = json.loads(header["__metadata__"]["scorefield"])
    for _ in range(chance.randint(1, 3)):
        edit(config, chance)
    header["__metadata__"]["scorefield"] = json.dumps(config)
    return joined(header, body)


def edit_header(data, chance):
    header, body = parts(data)
    edit(header, chance)
    return joined(header, body)


def swap_tensors(data, chance):
    header, body = parts(data)
    names = [name for name in header if name != "__metadata__"]
    if len(names) > 1:
        a, b = chance.sample(names, 2)
        header[a], header[b] = header[b], header[a]
    return joined(header, body)


def rename_tensor(data, chance):
    header, body = parts(data)
    name = chance.choice([name for name in header if name != "__metadata__"])
    header[chance.choice(["x", "theta", "state.adam.m", "\u202e"])] = header.pop(name)
    return joined(header, body)


ATTACKS = [flip_bits, cut, splice, edit_configuration, edit_header, swap_tensors, rename_tensor]


def attack(path, data):
    """Load forged bytes; return whether they made a model. ValueError and OSError are the only ways out."""
    path.write_bytes(data)
    start = time.perf_counter()
    try:
        model = sf.load(path)
    except (ValueError, OSError):
        model = None
    seconds = time.perf_counter() - start
    assert seconds < 1.0
    return model


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_forged_files_are_refused_or_harmless(sound, tmp_path, count):
    chance = random.Random(count)
    refused = dict.fromkeys(ATTACKS, 0)
    for data in sound:  # what can be allocated once for all is not counted below
        assert attack(tmp_path / "a", data) is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(count):
        forge = ATTACKS[i % len(ATTACKS)]
        refused[forge] += attack(tmp_path / "a", forge(chance.choice(sound), chance)) is None
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 64 * MEGABYTE
    assert refused[cut] == -(-(count - ATTACKS.index(cut)) // len(ATTACKS))  # every cut file
    assert all(refused.values())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"class": "os"}, "class: unknown model 'os'"),
        ({"network": {"class": "MLP", "shape": [2], "widths": [65536] * 40}}, "tensor theta: the network has"),
        ({"network": {"class": "MLP", "shape": [2], "widths": [65536] * 2000}}, "a list of 2000 entries"),
        ({"network": {"class": "MLP", "shape": [2**50], "widths": [3]}}, "more than the 65536"),
        ({"network": {"class": "MLP", "shape": [2], "evil": 1}}, r"MLP takes no \['evil'\]"),
        ({"network": {"class": "MLP", "shape": [2], "widths": [-3]}}, "network: .*widths"),
        ({"network": {"class": "eval"}}, "network: unknown class 'eval'"),
        ({"schedule": {"class": "Linear", "T": 2**40}}, r"schedule\.T: 1099511627776 is more"),
        ({"schedule": {"class": "Linear", "T": 0}}, "schedule: .*T must be"),
        ({"schedule": {"class": "Table", "betas": [2.0]}}, "schedule:"),
        ({"prediction": "energy"}, "prediction, scale or engine"),
        ({"step": -1}, "step: expected 0 <= step"),
        ({"events": 10**9}, "tensors: missing"),
        ({"learnt": [1, 0]}, "learnt: expected two of true and false"),
        ({"training": {"begin": 0}}, "end: is missing"),
    ],
)
def test_every_field_is_named(sound, tmp_path, change, match):
    header, body = parts(sound[1])
    config = json.loads(header["__metadata__"]["scorefield"])
    header["__metadata__"]["scorefield"] = json.dumps(config | change)
    (tmp_path / "forged").write_bytes(joined(header, body))
    with pytest.raises(sf.FormatError, match=rf"forged: .*{match}" if not match.startswith("network") else match):
        sf.load(tmp_path / "forged")


def test_what_is_no_file():
    for path, error in [
        ("no/such/file", FileNotFoundError),
        (3, TypeError),
        (None, TypeError),
        (b"a", TypeError),
        ("\0", ValueError),
    ]:
        with pytest.raises(error):
            sf.load(path)


def test_a_pickle_is_not_opened(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/pwned",)

    (tmp_path / "a").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(sf.FormatError):
        sf.load(tmp_path / "a")
    assert not (tmp_path / "pwned").exists()
