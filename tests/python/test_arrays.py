"""The array matrix: every kind of array that a caller may hold is converted or refused, never changed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.lib.stride_tricks import as_strided

from scorefield._arrays import choice, integer, label_array, number, real_array, seed_number

A = np.arange(12, dtype=np.float32).reshape(3, 4)


def unaligned():
    raw = np.zeros(A.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(A.shape)
    raw[...] = A
    assert not raw.flags.aligned
    return raw


def read_only():
    a = A.copy()
    a.flags.writeable = False
    return a


def memory_map(path):
    a = np.memmap(path, np.float32, "w+", shape=A.shape)
    a[...] = A
    return a


class Subclass(np.ndarray):
    pass


class Foreign:
    """An object of another library that gives its own memory."""

    def __init__(self):
        self.memory = A.copy()

    def __array__(self, dtype=None, copy=None):
        return self.memory


ACCEPTED = {
    "exact": lambda path: A.copy(),
    "list": lambda path: A.tolist(),
    "fortran": lambda path: np.asfortranarray(A),
    "transposed": lambda path: np.ascontiguousarray(A.T).T,
    "negative stride": lambda path: A[::-1, ::-1].copy()[::-1, ::-1],
    "sliced": lambda path: np.repeat(A, 2, axis=1)[:, ::2],
    "unaligned": lambda path: unaligned(),
    "big-endian": lambda path: A.astype(">f4"),
    "big-endian double": lambda path: A.astype(">f8"),
    "read-only": lambda path: read_only(),
    "memmap": memory_map,
    "subclass": lambda path: A.copy().view(Subclass),
    "int64": lambda path: A.astype(np.int64),
    "uint16": lambda path: A.astype(np.uint16),
    "float16": lambda path: A.astype(np.float16),
    "float64": lambda path: A.astype(np.float64),
    "long double": lambda path: A.astype(np.longdouble),
    "pandas": lambda path: pd.DataFrame(A.copy()),
    "foreign": lambda path: Foreign(),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ACCEPTED)
def test_numbers_of_any_layout_become_one_layout_and_the_input_stays(kind, dtype, tmp_path):
    a = ACCEPTED[kind](tmp_path / "map")
    before = np.array(a, copy=True)
    out = real_array(a, "x", shape=("n", 4), dtype=dtype)
    assert type(out) is np.ndarray
    assert out.dtype == dtype
    assert out.dtype.isnative
    assert out.flags.c_contiguous
    assert out.flags.aligned
    np.testing.assert_array_equal(out, A)  # 0..11 are exact in every dtype of the list
    if np.shares_memory(out, np.asarray(a)):
        with pytest.raises(ValueError, match="read-only"):
            out[0, 0] = 5
    real_array(a, "x", dtype=dtype, copy=True)[...] = -1
    np.testing.assert_array_equal(np.array(a), before)


def test_exact_arrays_are_not_copied():
    assert np.shares_memory(real_array(A, "x"), A)


def test_broadcast_arrays_become_whole_ones():
    whole = real_array(np.broadcast_to(np.float64(2), (3, 2)), "x")
    np.testing.assert_array_equal(whole, np.full((3, 2), 2, np.float32))


@pytest.mark.parametrize("value", [3, 2.5, np.float64(2.5), np.array(2.5)])
def test_zero_dimensional_values_keep_their_dimension(value):
    assert real_array(value, "t", shape=()).shape == ()
    with pytest.raises(ValueError, match=r"t must have shape \(n,\), got \(\)"):
        real_array(value, "t", shape=("n",))


def test_subnormal_numbers_pass_unchanged():
    tiny = np.array([1e-40, -1e-45], np.float32)
    np.testing.assert_array_equal(real_array(tiny, "x"), tiny)


REFUSED = {
    "bool": (A > 3, "must hold real numbers, got dtype bool; use x.astype"),
    "complex": (A + 0j, "must hold real numbers, got dtype complex64; take x.real"),
    "object": (A.astype(object), "must hold real numbers, got dtype object"),
    "none inside": ([[1.0, None]], "must hold real numbers, got dtype object"),
    "string": (A.astype(str), "must hold real numbers, got dtype <U"),
    "bytes": (np.array([b"1"]), "must hold real numbers"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), "must hold real numbers"),
    "structured": (np.zeros(3, [("a", "f4")]), "must hold real numbers"),
    "masked": (np.ma.masked_greater(A, 3), "masked array, whose mask would be lost; fill it first"),
    "none": (None, "must hold real numbers"),
    "text": ("abc", "must hold real numbers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_real_number_is_a_type_error(kind):
    a, message = REFUSED[kind]
    with pytest.raises(TypeError, match=message):
        real_array(a, "x")


def test_an_object_that_cannot_be_read_says_whose_fault_it_is():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("not on this device")

    with pytest.raises(TypeError, match=r"x cannot be read as an array \(Broken\): not on this device"):
        real_array(Broken(), "x")
    with pytest.raises(ValueError, match=r"x cannot be read as an array \(list\)"):
        real_array([[1, 2], [3]], "x")


def test_uint8_pixels_are_pointed_to_from_uint8():
    with pytest.raises(TypeError, match=r"x holds uint8 pixels; .* use sf\.from_uint8\(x\)"):
        real_array(np.zeros((1, 8, 8, 1), np.uint8), "x", images=True)
    assert real_array(np.zeros((1, 8), np.uint8), "x").dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "expected", "message"),
    [
        ((8, 8, 1), ("n", 8, 8, 1), r"must have shape \(n, 8, 8, 1\), got \(8, 8, 1\); for one sample use x\[None\]"),
        ((5, 8, 8), ("n", 8, 8, 1), r"got \(5, 8, 8\); the last axis holds the channels, use x\[\.\.\., None\]"),
        ((5, 3, 8, 9), ("n", 8, 9, 3), r"use x\.transpose\(0, 2, 3, 1\)"),
        ((4,), ("n", 4), r"for one sample use x\[None\]"),
        ((2, 3), ("n", "n"), r"must have shape \(n, n\), got \(2, 3\)$"),
        ((2, 3), (None, 4), r"must have shape \(any, 4\), got \(2, 3\)$"),
    ],
)
def test_wrong_shapes_come_with_the_way_out(shape, expected, message):
    with pytest.raises(ValueError, match=message):
        real_array(np.zeros(shape), "x", shape=expected)


@given(arrays.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=3))
def test_equal_letters_mean_equal_lengths(shape):
    real_array(np.zeros(shape), "x", shape=shape)
    real_array(np.zeros(shape), "x", shape=[None] * len(shape))
    letters = ["n"] * len(shape)
    if len(set(shape)) <= 1:
        real_array(np.zeros(shape), "x", shape=letters)
    else:
        with pytest.raises(ValueError, match="must have shape"):
            real_array(np.zeros(shape), "x", shape=letters)


def test_non_finite_values_are_counted_and_placed():
    bad = A.copy()
    bad[1, 2], bad[2, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"^x holds 2 non-finite values, first at \[1, 2\]$"):
        real_array(bad, "x")
    with pytest.raises(ValueError, match=r"^x holds 1 non-finite value$"):
        real_array(np.nan, "x")
    assert np.isnan(real_array(bad, "x", finite=False)[1, 2])


@pytest.mark.parametrize("mode", ["ignore", "warn", "raise"])
def test_values_beyond_float32_are_refused_whatever_numpy_is_told_about_overflow(mode):
    message = r"x holds 1 value too large for float32, first at \[1\]"
    with np.errstate(all=mode), pytest.raises(ValueError, match=message):
        real_array([1.0, 1e300], "x")
    assert real_array([1e300], "x", dtype=np.float64)[0] == 1e300


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_empty_arrays_are_refused_unless_allowed(shape):
    with pytest.raises(ValueError, match="x is empty"):
        real_array(np.zeros(shape), "x")
    assert real_array(np.zeros(shape), "x", empty=True).shape == shape


def test_more_than_two_to_the_31_elements_are_counted_right():
    huge = as_strided(np.zeros(1, np.float32), (2**31 + 1, 2**20), (0, 0))
    with pytest.raises(ValueError, match=r"must have shape \(n, 4\), got \(2147483649, 1048576\)"):
        real_array(huge, "x", shape=("n", 4))
    with pytest.raises(MemoryError):  # 8 PiB
        real_array(huge, "x")


NUMERIC = arrays.floating_dtypes(endianness="?") | arrays.integer_dtypes(endianness="?")


@given(arrays.arrays(NUMERIC, arrays.array_shapes()))
def test_any_numeric_array_gives_its_values_or_a_value_error(a):
    with np.errstate(all="ignore"):
        expected = a.astype(np.float32)
    before = a.tobytes()
    if np.isfinite(expected).all():
        np.testing.assert_array_equal(real_array(a, "x"), expected)
    else:
        with pytest.raises(ValueError, match="x holds"):
            real_array(a, "x")
    assert a.tobytes() == before


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3, None, -1, 0], [3, -1, -1, 0]),
        (range(3), [0, 1, 2]),
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([1, 2], ">i4"), [1, 2]),
        (pd.Series([1, 2]), [1, 2]),
        (5, [5]),
        (np.int32(5), [5]),
        (None, [-1]),
    ],
)
def test_labels_become_int64_with_minus_one_for_none(labels, expected):
    out = label_array(labels, classes=10)
    assert out.dtype == np.int64
    np.testing.assert_array_equal(out, expected)


def test_one_label_stands_for_n_and_a_sequence_must_have_n():
    np.testing.assert_array_equal(label_array(7, n=3), [7, 7, 7])
    with pytest.raises(ValueError, match="labels must hold 3 entries, one for each row, got 2"):
        label_array([1, 2], n=3)


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([1, 10], ValueError, r"labels must be in 0\.\.9 \(None or -1: no label\), got 10 at \[1\]"),
        ([-2], ValueError, r"got -2 at \[0\]"),
        (np.array([2**63], np.uint64), ValueError, "got 9223372036854775808"),
        ([1.0, 2.0], TypeError, "labels must be integers, or None for no label, got dtype float64"),
        ([True, False], TypeError, "got dtype bool"),
        (["a"], TypeError, "got dtype <U1"),
        ([None, "a"], TypeError, "labels must be integers"),
        (np.ma.masked_equal([1, 2], 2), TypeError, "masked"),
        ([[1, 2]], ValueError, r"must be one int or have shape \(n,\), got shape \(1, 2\)"),
        ([], ValueError, "labels is empty"),
    ],
)
def test_bad_labels_are_refused_with_the_allowed_range(labels, kind, message):
    with pytest.raises(kind, match=message):
        label_array(labels, classes=10)


def test_a_label_array_never_shares_memory():
    labels = np.arange(3)
    label_array(labels)[0] = 9
    assert labels[0] == 0


@given(st.integers(0, 2**64 - 1))
def test_every_seed_of_64_bits_passes(seed):
    assert seed_number(seed) == seed


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_outside_are_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be an integer in 0\.\.18446744073709551615, got {seed}"):
        seed_number(seed)


@pytest.mark.parametrize("seed", [True, np.True_, 1.0, "1"])
def test_seeds_are_integers(seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        seed_number(seed)


def test_no_seed_is_a_fresh_one():
    assert seed_number(np.uint64(7)) == 7
    assert len({seed_number(None) for _ in range(8)}) == 8  # chance of a pair: 28 / 2^64


def test_integers_count_numpys_and_refuse_bool_and_floats():
    assert integer(np.int8(3), "steps", 1) == 3
    for value in (True, np.bool_(True), 2.0, "2", None, np.array([1, 2])):
        with pytest.raises(TypeError, match="steps must be an integer"):
            integer(value, "steps", 1)
    with pytest.raises(ValueError, match="steps must be an integer >= 1, got 0"):
        integer(0, "steps", 1)
    with pytest.raises(ValueError, match=r"order must be an integer in 1\.\.3, got 99999999999999999999"):
        integer(99999999999999999999, "order", 1, 3)


def test_numbers_keep_to_their_interval():
    assert number(np.float32(0.5), "eta", 0, 1) == 0.5
    assert number(1, "eta", 0, 1) == 1.0
    assert number(np.inf, "S_tmax", 0, finite=False) == np.inf
    for value in (np.nan, np.inf, -0.1, 1.1):
        with pytest.raises(ValueError, match=r"eta must be a number in \[0, 1\], got"):
            number(value, "eta", 0, 1)
    with pytest.raises(ValueError, match=r"lr must be a number > 0, got 0"):
        number(0, "lr", 0, open_low=True)
    with pytest.raises(ValueError, match=r"ema must be a number in \[0, 1\), got 1"):
        number(1, "ema", 0, 1, open_high=True)
    for value in (True, "0.5", 1j, None, [1.0, 2.0], 10**400):
        with pytest.raises(TypeError, match="eta must be a number"):
            number(value, "eta", 0, 1)


def test_choices_ignore_case_and_underscores_and_name_the_nearest():
    assert choice("Min_SNR", "weight", ["simple", "min_snr"]) == "min_snr"
    with pytest.raises(ValueError, match=r"unknown weight 'minsn'; did you mean 'min_snr'\? Known: simple, min_snr"):
        choice("minsn", "weight", ["simple", "min_snr"])
    with pytest.raises(TypeError, match="weight must be one of 'simple', 'min_snr', got int 3"):
        choice(3, "weight", ["simple", "min_snr"])
