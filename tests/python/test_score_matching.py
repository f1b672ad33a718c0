"""Losses made of derivatives: implicit and sliced score matching, energies."""

import numpy as np
import pytest

import scorefield as sf
from scorefield import losses

CLEAN = sf.schedules.Single(sigma=0.0)
MEAN, COV = np.array([1.0, -1.0]), np.array([[1.0, 0.6], [0.6, 2.0]])
TRUTH = sf.GaussianMixture(means=[[-1.5, 0], [1.5, 0]], stds=[0.5, 0.7], weights=[0.4, 0.6])


@pytest.mark.parametrize(
    ("loss", "sigma"),
    [(losses.Implicit(), 0.0), (losses.Sliced(2), 0.0), (losses.Sliced(1, "gaussian"), 0.0), ("simple", 0.5)],
    ids=str,
)
def test_a_linear_score_reaches_the_analytic_minimiser_of_its_data(loss, sigma):
    """theory 12: s = -(S + sigma^2 I)^-1 (x - m) of the data's own m and S; 2 % of the largest number."""
    x = sf.GaussianMixture(MEAN[None], covs=COV[None]).sample(8192)
    line = sf.Diffusion(sf.MLP(2, widths=()), sf.schedules.Single(sigma), prediction="score")
    optimizer = sf.optim.Adam(2e-2, decay="cosine")
    line.fit(x, loss=loss, steps=1500, batch_size=512, ema=0.0, optimizer=optimizer, progress=False)
    rows = line.score(np.vstack([np.eye(2), np.zeros((1, 2))]))
    weight, bias = rows[:2] - rows[2], rows[2]
    noisy = np.cov(x.T, bias=True) + sigma**2 * np.eye(2)
    assert weight == pytest.approx(-np.linalg.inv(noisy), abs=0.02 * np.abs(np.linalg.inv(noisy)).max())
    assert bias == pytest.approx(np.linalg.solve(noisy, x.mean(0)), abs=0.02)


def test_noise_levels_learn_the_same_score_without_seeing_the_noise():
    """(17) at times of VP, weighted by sigma^2; one Gaussian's noised score is -x / (alpha^2 c^2 + sigma^2)."""
    x = 0.5 * sf.normal((4096, 2), seed=1)
    model = sf.Diffusion(sf.MLP(2, widths=(32, 32)), sf.schedules.VP(), prediction="score")
    model.fit(x, loss="implicit", steps=1500, batch_size=256, lr=3e-3, progress=False)
    exact = sf.GaussianMixture([[0.0, 0.0]], stds=0.5).denoiser(sf.schedules.VP())
    x_t = sf.normal((500, 2), seed=2)
    for t in (0.3, 0.6, 0.9):
        level = exact.schedule.at(t)
        at = x_t * np.sqrt(0.25 * level.alpha**2 + level.sigma**2)
        truth = exact.score(at, t)
        assert np.mean((model.score(at, t) - truth) ** 2) < 0.02 * np.mean(truth**2), t


def test_fits_add_up_and_files_keep_the_loss(tmp_path):
    def fresh():
        return sf.Diffusion(sf.MLP(2, widths=(16,)), CLEAN, prediction="score")

    x = TRUTH.sample(500)
    once = fresh().fit(x, loss=losses.Sliced(2), steps=12, progress=False)
    twice = fresh().fit(x, loss=losses.Sliced(2), steps=5, progress=False).fit(x, loss=losses.Sliced(2), steps=7)
    assert np.array_equal(once.net.theta, twice.net.theta)
    once.save(tmp_path / "score.safetensors")
    again = sf.load(tmp_path / "score.safetensors")
    assert again.evaluate(x).loss == once.evaluate(x).loss  # denoising, the default, has no target at sigma = 0


def test_a_held_out_loss_is_that_of_its_definition():
    """Of a network s = -x, tr(ds/dx) = -2 and |s|^2 = |x|^2 in two dimensions; a mean over the elements."""
    line = sf.Diffusion(sf.MLP(2, widths=()), CLEAN, prediction="score")
    line.net.theta = [-1, 0, 0, -1, 0, 0]
    x = TRUTH.sample(640)
    line.fit(x, loss="implicit", steps=1, lr=1e-12, progress=False)
    assert line.evaluate(x, bins=1).loss == pytest.approx((-2 + 0.5 * (x**2).sum(1).mean()) / 2, rel=1e-5)


def test_gradients_agree_with_differences():
    for loss in (losses.Implicit(), losses.Sliced(), losses.Sliced(3, "gaussian"), losses.Denoising()):
        for seed in range(3):
            assert sf.gradcheck(loss, seed=seed) < 1e-6


class Energies:
    """An energy model after a short training, shared by the tests below."""

    model: sf.Diffusion | None = None

    @classmethod
    def get(cls):
        if cls.model is None:
            net = sf.MLP(2, widths=(64, 64), out=1)
            cls.model = sf.Diffusion(net, sf.schedules.VP(), prediction="energy")
            cls.model.fit(TRUTH.sample(10_000), steps=1200, batch_size=256, lr=2e-3, progress=False)
        return cls.model


def test_the_score_is_minus_the_slope_of_the_energy():
    model, x, h = Energies.get(), TRUTH.sample(50, seed=3), 1e-2
    slope = [(model.energy(x + h * e, 0.3) - model.energy(x - h * e, 0.3)) / (2 * h) for e in np.eye(2)]
    score = model.score(x, 0.3)
    assert -np.stack(slope, 1) == pytest.approx(
        score, abs=1e-3 * float(np.abs(score).max())
    )  # float32 energies over 2h
    assert model.energy(x, 0.3).shape == (50,)
    assert model.energy(x, 0.3).dtype == np.float32


def test_its_jacobian_is_symmetric_and_that_of_differences():
    model, x, h = Energies.get(), TRUTH.sample(50, seed=3), 1e-2
    c = sf.normal((50, 2), seed=4)
    slope = (model.denoise(x + h * c, 0.3) - model.denoise(x - h * c, 0.3)) / (2 * h)
    vjp = model.vjp(x, 0.3, c)
    assert vjp == pytest.approx(slope, abs=1e-3 * float(np.abs(slope).max()))


def test_an_energy_learns_the_density():
    """Differences of E at t = 0.3 against those of -log p_t, in nats; a short training."""
    model, x = Energies.get(), TRUTH.sample(2000, seed=5)
    level = model.schedule.at(0.3)
    x_t = model.schedule.add_noise(x, 0.3, seed=6)
    noised = sf.GaussianMixture(
        level.alpha * TRUTH.means, np.sqrt((level.alpha * TRUTH.stds) ** 2 + level.sigma**2), weights=TRUTH.weights
    )
    gap = model.energy(x_t, 0.3) + noised.log_prob(x_t)
    assert np.std(gap) < 0.25
    samples = model.sample(4000, sampler="heun", steps=20, seed=1)
    assert TRUTH.mode_weights(samples) == pytest.approx(TRUTH.weights, abs=0.06)


def test_energy_models_are_kept_in_files_and_answer_alike(tmp_path):
    model, x = Energies.get(), TRUTH.sample(20, seed=7)
    model.save(tmp_path / "energy.safetensors")
    again = sf.load(tmp_path / "energy.safetensors")
    assert np.array_equal(again.energy(x, 0.5), model.energy(x, 0.5))
    assert np.array_equal(again.score(x, 0.5), model.score(x, 0.5))


def test_energies_hear_labels():
    x, labels = np.repeat([[-1.0], [1.0]], 200, axis=0), np.repeat([0, 1], 200)
    net = sf.MLP(1, widths=(32,), out=1, classes=2)
    model = sf.Diffusion(net, sf.schedules.VP(), prediction="energy")
    model.fit(x + 0.1 * sf.normal((400, 1), seed=1), labels, steps=600, lr=5e-3, batch_size=128, progress=False)
    at = np.linspace(-2, 2, 5)[:, None]
    zero, one = model.energy(at, 0.2, labels=[0] * 5), model.energy(at, 0.2, labels=[1] * 5)
    assert np.argmin(zero) < 2 < np.argmin(one)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: losses.Implicit()(np.zeros((2, 2)), np.zeros((2, 2)), None), "made of the network's derivatives"),
        (lambda: losses.Sliced(probes=0), "probes must be"),
        (lambda: losses.Sliced(directions="axis"), "rademacher"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp", prediction="energy"), "out=1"),
        (lambda: sf.Diffusion(sf.MLP(2, out=1), "vp"), "must be the same"),
        (lambda: sf.Diffusion(sf.MLP(2), "vp").energy(np.zeros((1, 2))), "prediction='energy'"),
        (lambda: Energies.get().energy(np.zeros((1, 2)), 0.0), "sigma is 0"),
        (lambda: _fit("v", losses.Implicit()), 'prediction="score"'),
        (lambda: _fit("score", losses.Implicit(), size=300), r"use Sliced\(\)"),
        (lambda: _fit("energy", losses.Denoising(lambda level: level.alpha), out=1), "named weights"),
        (lambda: _fit("energy", losses.Implicit(), out=1), 'prediction="score"'),
        (lambda: sf.Diffusion(sf.MLP(2, out=1), CLEAN, "energy").fit(np.zeros((4, 2)), steps=1), "needs noise"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(act, message):
    with pytest.raises((ValueError, TypeError), match=message):
        act()


def _fit(prediction, loss, size=2, out=None):
    net = sf.MLP(size, widths=(8,), out=out)
    sf.Diffusion(net, "vp", prediction=prediction).fit(sf.normal((8, size), seed=0), loss=loss, steps=1, batch_size=4)


def test_an_energy_that_float32_cannot_hold_is_an_error():
    """E = (x + y) / sigma, and sigma is 0.01 at t_min."""
    model = sf.Diffusion(sf.MLP(2, widths=(), out=1), sf.schedules.VP(), prediction="energy")
    model.net.theta = [1, 1, 0]
    assert model.energy(np.array([[1e36, 0.0]]), 0.001) == pytest.approx(1e36 / sf.schedules.VP().sigma(0.001))
    with pytest.raises(sf.NonFiniteError, match="the energy is not finite, first in row 1"):
        model.energy(np.array([[0.0, 0.0], [1e38, 0.0]]), 0.001)


def test_metropolis_keeps_the_modes_of_an_energy():
    """MALA at t = 0.1 with the energy's own density: most moves are accepted, and the weights stay."""
    start = TRUTH.sample(1000, seed=8)
    mala = sf.samplers.Langevin(step_size=0.3, t=0.1, metropolis=True)
    path = Energies.get().sample(x_T=start, sampler=mala, steps=50, trajectory=True, progress=False)
    assert 0.5 < path.accepted.mean() < 0.99
    assert TRUTH.mode_weights(path.x[-1]) == pytest.approx(TRUTH.mode_weights(start), abs=0.05)
