"""Whatever somebody may hand over: every public entry answers as for the plain array, or says what is wrong with it."""

import contextlib
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import scorefield as sf

PLAIN = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
LABELS = np.arange(8) % 2
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def model():
    net = sf.MLP(3, widths=(4,), classes=2, condition=(3,))
    return sf.Diffusion(net, sf.schedules.VP(), "v").fit(PLAIN, LABELS, condition=PLAIN, steps=2, **QUIET)


@pytest.fixture(scope="module")
def judge():
    return sf.Classifier(sf.MLP(3, widths=(4,), out=2)).fit(PLAIN, LABELS, steps=2, **QUIET)


def fitted(**words):
    net = sf.MLP(3, widths=(4,), classes=2, condition=(3,))
    start = {"x": PLAIN, "labels": LABELS, "condition": PLAIN, "steps": 1, "batch_size": 8, "progress": False}
    return sf.Diffusion(net, sf.schedules.VP(), "v").fit(**(start | words)).net.theta


ENTRIES = {
    "fit x": lambda m, j, a: fitted(x=a),
    "fit condition": lambda m, j, a: fitted(condition=a),
    "fit noise": lambda m, j, a: fitted(noise=a),
    "fit validation": lambda m, j, a: fitted(validation=(a, LABELS, PLAIN)),
    "fit scale": lambda m, j, a: sf.Diffusion(sf.MLP((8, 3), widths=(4,)), "vp", scale=(a, 1))._scale.x.shift,
    "evaluate": lambda m, j, a: m.evaluate(a, LABELS, condition=PLAIN).loss,
    "sample x_T": lambda m, j, a: m.sample(x_T=a, steps=2).astype(np.float32),
    "sample condition": lambda m, j, a: m.sample(8, condition=a, steps=2),
    "invert": lambda m, j, a: m.invert(a, steps=2),
    "denoise": lambda m, j, a: m.denoise(a, 0.5),
    "classifier fit": lambda m, j, a: (
        sf.Classifier(sf.MLP(3, widths=(4,), out=2)).fit(a, LABELS, steps=1, **QUIET).net.theta
    ),
    "classifier proba": lambda m, j, a: j.predict_proba(a),
    "classifier gradient": lambda m, j, a: j.gradient(a, labels=1),
}


class Subclass(np.ndarray):
    pass


def unaligned():
    raw = np.zeros(PLAIN.nbytes + 1, np.uint8)
    found = raw[1:].view(np.float32).reshape(PLAIN.shape)
    found[:] = PLAIN
    return found


def memmap(folder):
    PLAIN.tofile(folder / "plain")
    return np.memmap(folder / "plain", np.float32, "r", shape=PLAIN.shape)


def read_only():
    array = PLAIN.copy()
    array.flags.writeable = False
    return array


GOOD = {
    "list": lambda _: PLAIN.tolist(),
    "Fortran order": lambda _: np.asfortranarray(PLAIN),
    "transposed": lambda _: PLAIN.T.copy().T,
    "negative stride": lambda _: PLAIN[::-1].copy()[::-1],
    "sliced": lambda _: np.repeat(PLAIN, 2, axis=0)[::2],
    "unaligned": lambda _: unaligned(),
    "big-endian": lambda _: PLAIN.astype(">f4"),
    "read-only": lambda _: read_only(),
    "memmap": memmap,
    "subclass": lambda _: PLAIN.view(Subclass),
    "float64": lambda _: PLAIN.astype(np.float64),
    "long double": lambda _: PLAIN.astype(np.longdouble),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_layout_and_type_counts_as_its_values(model, judge, tmp_path, entry):
    ask = ENTRIES[entry]
    expected = ask(model, judge, PLAIN.copy())
    for name, make in GOOD.items():
        array = make(tmp_path)
        before = np.array(array, copy=True)
        # float64 states are sampled in float64, so the last bit of a float32 may differ there
        tolerance = (
            {"rtol": 0, "atol": 2e-6} if entry in ("sample x_T", "invert", "denoise") else {"rtol": 0, "atol": 0}
        )
        np.testing.assert_allclose(ask(model, judge, array), expected, err_msg=name, **tolerance)
        assert np.array_equal(np.array(array), before), f"{name} was modified"


def poisoned(value):
    array = PLAIN.copy()
    array[2, 1] = value
    return array


BAD = {
    "scalar": 1.0,
    "empty": np.zeros((0, 3), np.float32),
    "one row too flat": PLAIN[0],
    "too deep": PLAIN[None],
    "other width": PLAIN[:, :2],
    "masked": np.ma.masked_array(PLAIN, PLAIN > 1),
    "object": PLAIN.astype(object),
    "text": PLAIN.astype(str),
    "structure": np.zeros((8, 3), [("a", "f4")]),
    "bool": PLAIN > 0,
    "complex": PLAIN.astype(np.complex64),
    "dates": np.zeros((8, 3), "M8[s]"),
    "NaN": poisoned(np.nan),
    "+inf": poisoned(np.inf),
    "-inf": poisoned(-np.inf),
    "ragged": [[1.0, 2.0, 3.0], [1.0]],
    "None": None,
    "dict": {"x": 1},
    "too large for float32": PLAIN.astype(np.float64) * 1e300,
}
ALLOWED = {  # what is an answer, not a slip: one number broadcasts as a scale; no x_T means that it is drawn, and so on
    ("fit scale", "scalar"), ("fit scale", "one row too flat"), ("fit condition", "None"), ("fit noise", "None"),
    ("sample condition", "None"), ("sample condition", "one row too flat"), ("sample x_T", "too large for float32"),
    ("denoise", "too large for float32"), ("invert", "too large for float32"),
}  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_cannot_be_meant_is_refused(model, judge, entry):
    for name, array in BAD.items():
        if (entry, name) in ALLOWED:
            continue
        with pytest.raises((ValueError, TypeError)) as caught:
            ENTRIES[entry](model, judge, array)
        assert type(caught.value) in (ValueError, TypeError), name
        assert len(str(caught.value)) > 20, name


def test_the_first_bad_place_is_named():
    x = PLAIN.copy()
    x[5, 1], x[6, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"x holds 2 non-finite values, first at \[5, 1\]"):
        fitted(x=x)


@pytest.mark.parametrize("values", ["subnormal", "huge"])
def test_extreme_but_finite_numbers_train_or_are_reported(values):
    x = PLAIN * np.float32(1e-40 if values == "subnormal" else 1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sf.DataWarning)
        model = sf.Diffusion(sf.MLP(3, widths=(4,)), "vp")
        try:
            model.fit(x, steps=3, **QUIET)
        except sf.NonFiniteError:
            assert values == "huge"
    assert np.isfinite(model.net.theta).all()
    scaled = sf.Diffusion(sf.MLP(3, widths=(4,)), "vp", scale="standard").fit(x, steps=3, **QUIET)
    assert np.isfinite(scaled.sample(2, steps=2)).all()


@pytest.mark.parametrize(
    "labels", [LABELS + 1, LABELS - 2, LABELS * 0.5, LABELS.astype(str), LABELS[:3], [[0, 1]] * 4, "ab", {1: 2}]
)
def test_labels_that_make_no_sense(model, judge, labels):
    for ask in (
        lambda: fitted(labels=labels),
        lambda: model.evaluate(PLAIN, labels, condition=PLAIN),
        lambda: judge.accuracy(PLAIN, labels),
        lambda: judge.gradient(PLAIN, labels=labels),
    ):
        with pytest.raises((ValueError, TypeError)):
            ask()


NONSENSE = [-1, 2**64, True, 1.5, "3", np.nan, [3]]
SIZES = {
    "steps": [0, 2**63, None],
    "batch_size": [0, 2**31, 2**63, None],
    "every": [0, None],
    "shards": [0, 9, 2**31],
    "seed": [],
}


@pytest.mark.parametrize(("word", "size"), [(word, size) for word, own in SIZES.items() for size in NONSENSE + own])
def test_sizes_that_make_no_sense(word, size):
    if (word, size) == ("every", 2**64):
        return  # events may be as rare as one likes
    with pytest.raises((ValueError, TypeError)):
        fitted(**{word: size})


@pytest.mark.parametrize("n", [0, -1, 2**63, 2**64, True, 1.5, "3", np.nan, [3]])
def test_numbers_of_samples_that_make_no_sense(model, n):
    with pytest.raises((ValueError, TypeError)):
        model.sample(n, steps=1)


@pytest.mark.parametrize("count", [250, pytest.param(5000, marks=pytest.mark.slow)])
def test_any_array_at_any_entry(model, judge, count):
    """Arbitrary types, shapes and values: an answer, or one of the two kinds of complaint."""
    kinds = st.one_of(
        arrays.scalar_dtypes(),
        arrays.floating_dtypes(endianness="?"),
        arrays.integer_dtypes(endianness="?"),
        st.just(np.dtype("f4")),
    )
    shapes = st.one_of(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.just((8, 3)))

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(arrays.arrays(kinds, shapes), st.sampled_from([e for e in ENTRIES if "fit" not in e]))
    def ask(array, entry):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError, TypeError, sf.NonFiniteError):
                ENTRIES[entry](model, judge, array)

    ask()
