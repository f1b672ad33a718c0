"""Pixels of 8 bits and back, and paths between noises."""

import numpy as np
import pytest

from scorefield.interpolate import slerp
from scorefield.pixels import from_uint8, to_uint8


def test_all_levels_return():
    u = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    x = from_uint8(u)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (-1, 1)
    assert np.array_equal(to_uint8(x), u)


def test_nearest_level_and_ends():
    assert to_uint8([-1.2, -1 + 1.1 / 255, -1 + 0.9 / 255, 1.5]).tolist() == [0, 1, 0, 255]  # a level is 2 / 255 wide


def test_pixels_refuse_what_they_cannot_know():
    with pytest.raises(TypeError, match="u must hold uint8 pixels, got dtype float64"):
        from_uint8([0.5])
    with pytest.raises(ValueError, match="non-finite"):
        to_uint8([np.nan])
    with pytest.raises(TypeError, match="real numbers"):
        to_uint8(np.array([1j]))


def test_slerp_walks_evenly_on_the_sphere():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 8, 8, 1))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    path = slerp(a, b, np.linspace(0, 1, 9))
    assert path.shape == (9, 8, 8, 1)
    assert path.dtype == np.float64
    rows = path.reshape(9, -1)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.linalg.norm(a))
    angles = np.arccos((rows[1:] * rows[:-1]).sum(1) / np.linalg.norm(a) ** 2)
    assert angles == pytest.approx(angles[0])
    assert path[0] == pytest.approx(a)
    assert path[-1] == pytest.approx(b)


@pytest.mark.parametrize("short_of_opposite", [1.0, 1e-2, 1e-5])
def test_slerp_changes_lengths_evenly_also_between_nearly_opposite_directions(short_of_opposite):
    angle = np.pi - short_of_opposite
    a, b = np.array([1.0, 0.0]), 3 * np.array([np.cos(angle), np.sin(angle)])
    w = np.linspace(0, 1, 9)
    path = slerp(a, b, w)
    assert np.linalg.norm(path, axis=1) == pytest.approx(1 + 2 * w)
    assert np.arctan2(path[:, 1], path[:, 0]) == pytest.approx(w * angle)


def test_slerp_of_one_direction_is_the_straight_line():
    a = np.array([1.0, 2.0], np.float32)
    path = slerp(a, 3 * a, 0.5)
    assert path == pytest.approx(2 * a, rel=1e-6)
    assert path.dtype == np.float32


def test_slerp_refuses_what_has_no_path():
    with pytest.raises(ValueError, match="opposite"):
        slerp([1.0, 0.0], [-1.0, 0.0], 0.5)
    with pytest.raises(ValueError, match="zero vector has no direction"):
        slerp([0.0, 0.0], [1.0, 0.0], 0.5)
    with pytest.raises(ValueError, match=r"b must have shape \(2,\), got \(3,\)"):
        slerp([0.0, 1.0], [1.0, 0.0, 0.0], 0.5)
