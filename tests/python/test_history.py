"""The record of a training: arrays, table, curve."""

import numpy as np
import pytest

from scorefield.history import BANDS, Event, History, curve_svg


@pytest.fixture
def history():
    bands = np.arange(BANDS, dtype=float)
    return History([Event(50, 1.0, 2.0, bands, 3.0, 100.0), Event(100, 0.1), Event(150, 0.01, 0.5)])


def test_arrays_by_name(history):
    assert list(history) == ["step", "loss", "validation_loss", "bands", "grad_norm", "samples_per_s"]
    assert history["step"].tolist() == [50, 100, 150]
    assert history["step"].dtype == np.int64
    assert history.loss.tolist() == [1.0, 0.1, 0.01]
    assert history.bands.shape == (3, BANDS)
    assert np.isnan(history.validation_loss[1])
    with pytest.raises(KeyError, match="it has step, loss"):
        history["lost"]
    with pytest.raises(AttributeError, match="it has step, loss"):
        history.lost  # noqa: B018


def test_empty_history_has_empty_arrays():
    assert History().loss.shape == (0,)
    assert History().bands.shape == (0, BANDS)
    assert repr(History()) == "History(no events yet)"
    assert "svg" not in History()._repr_html_()


def test_table(history):
    table = history.to_pandas()
    assert table.index.name == "step"
    assert table.loc[50, "band_3"] == 3.0
    assert table.loc[100, "loss"] == 0.1


def test_curve_falls_by_equal_heights_for_equal_ratios(history):
    points = curve_svg(history, 200, 84).split('points="')[1].split('"')[0]
    x, y = np.array([[float(v) for v in point.split(",")] for point in points.split()]).T
    assert x.tolist() == [0, 100, 200]
    assert np.isclose(y[1] - y[0], y[2] - y[1], atol=0.2)  # losses 1, 0.1, 0.01; heights are written with one digit


def test_html_is_one_line_of_text_and_one_picture(history):
    text = history._repr_html_()
    assert text.count("<svg") == 1
    assert "3 events, step 150, loss 0.01, held-out 0.5" in text
