import numpy as np
import pytest

import scorefield.losses as losses
from scorefield import schedules
from scorefield.losses import Denoising, Loss, resolve_loss
from scorefield.testing import check_loss


class Huber(Loss):
    def __init__(self, width=1.0):
        self.width = width

    def __call__(self, y, target, level):
        r = y - target
        w = self.width
        value = np.where(abs(r) < w, 0.5 * r**2, w * (abs(r) - 0.5 * w))
        return value.reshape(len(r), -1).mean(1), np.clip(r, -w, w) / r[0].size


def test_names_stand_for_weights():
    assert resolve_loss("min_snr", "eps") == Denoising("min_snr")
    assert resolve_loss("MinSNR", "eps") == Denoising("min_snr")
    assert resolve_loss("likelihood", "score") == Denoising("likelihood", "importance")
    assert resolve_loss("vlb", "eps") == Denoising("vlb", "importance")
    assert resolve_loss(None, "v") == Denoising("simple", "uniform")
    assert resolve_loss(None, "edm") == Denoising("edm", "log_normal")
    loss = Huber()
    assert resolve_loss(loss, "eps") is loss


def test_reprs_are_constructor_calls():
    for loss in (Denoising(), Denoising("p2", "stratified")):
        assert eval(repr(loss), vars(losses)) == loss
        assert hash(eval(repr(loss), vars(losses))) == hash(loss)
    assert repr(Huber(width=2.0)) == "Huber(width=2.0)"
    assert repr(Denoising(np.sqrt)).startswith("Denoising(weight=sqrt")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Denoising("hard"), ValueError, "unknown weight 'hard'"),
        (lambda: Denoising(times="often"), ValueError, "unknown times 'often'"),
        (lambda: Denoising(pairing="ot"), ValueError, "not supported yet; use 'independent'"),
        (lambda: Denoising(pairing="both"), ValueError, "unknown pairing"),
        (lambda: Denoising(weight=3), TypeError, "weight must be one of"),
        (lambda: resolve_loss("min_snt", "eps"), ValueError, "did you mean 'min_snr'"),
        (lambda: resolve_loss(Huber, "eps"), TypeError, r"did you mean Huber\(\)"),
        (lambda: resolve_loss(3, "eps"), TypeError, "loss must be a Loss"),
        (lambda: Denoising()._bind(schedules.VP(), "edm"), ValueError, "edm"),
        (lambda: Loss(), TypeError, "abstract"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_laws_hold_for_good_losses():
    check_loss(Huber())
    check_loss(Denoising())


class Wrong(Huber):
    """A Huber loss with one slip."""

    def __init__(self, slip):
        super().__init__()
        self.slip = slip

    def __call__(self, y, target, level):
        value, dy = super().__call__(y, target, level)
        slips = {
            "derivative": (value, 2 * dy),
            "sign": (value, -dy),
            "mean": (value.mean() * np.ones(len(value)), dy),
            "shape": (value[:, None], dy),
            "nan": (value * np.nan, dy),
        }
        if self.slip == "argument":
            y *= 1.5
        return slips.get(self.slip, (value, dy))


@pytest.mark.parametrize(
    ("slip", "law"),
    [
        ("derivative", "differences give"),
        ("sign", "differences give"),
        ("mean", "row by row"),
        ("shape", "shape"),
        ("nan", "finite"),
        ("argument", "leave its arguments"),
    ],
)
def test_the_laws_name_the_slip(slip, law):
    with pytest.raises(AssertionError, match=law):
        check_loss(Wrong(slip))
