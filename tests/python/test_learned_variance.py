"""Learned variance: a network that says where between beta_tilde and beta the variance of a reverse step lies."""

import math

import numpy as np
import pytest

import scorefield as sf
from scorefield.losses import Hybrid
from scorefield.samplers import Ancestral

QUIET = {"progress": False}
STD = 0.6


def steps_of(T=6):
    return sf.schedules.Table(betas=np.linspace(0.25, 0.75, T))


def gaussian_model(**words):
    net = sf.MLP(1, widths=(32, 32), out=2, seed=1)
    return sf.Diffusion(net, steps_of(), prediction="eps", learn_variance=True, **words)


def test_the_learned_variance_is_the_best_one():
    """For data N(0, STD^2) the bound is least at beta_tilde + A^2 Var(x0 | x_t), and then every marginal is exact.

    After 3000 steps the deviation of 20 000 states at t = 1 is within 2 % of sqrt(alpha^2 STD^2 + sigma^2), where 0.5 %
    is a standard error; with the fixed variances it is off by more.
    """
    x = STD * sf.normal((20_000, 1), seed=0)
    model = gaussian_model().fit(x, steps=3000, batch_size=512, lr=3e-3, loss=Hybrid(vlb=0.1), **QUIET)
    first = model.schedule.at(1)
    exact = np.sqrt((first.alpha * STD) ** 2 + first.sigma**2)
    draws = {
        v: model.sample(20_000, sampler=Ancestral(v), grid=[6, 5, 4, 3, 2, 1], **QUIET).std() / exact
        for v in ("learned", "beta_tilde", "beta")
    }
    assert abs(draws["learned"] - 1) < 0.02, draws
    assert draws["beta_tilde"] < 0.96, draws
    assert draws["beta"] > 1.04, draws

    # The same optimum makes each step of the model the true p(x_s | x_t): its bound is the entropy + the prior's KL.
    last = model.schedule.at(6)
    entropy, kl = np.log(STD) + 0.5 * np.log(2 * np.pi * np.e), (last.alpha * STD / last.sigma) ** 2 / 2
    bounds = {v: model.vlb(x, variance=v) for v in ("learned", "beta_tilde", "beta")}
    excess = {v: bound.total - bound.prior - entropy for v, bound in bounds.items()}
    assert bounds["learned"].prior.mean() == pytest.approx(kl, rel=0.05)
    assert abs(excess["learned"].mean()) < 0.01 + 4 * excess["learned"].std() / np.sqrt(len(x)), bounds
    assert excess["beta_tilde"].mean() > excess["learned"].mean() + 0.03, bounds
    assert excess["beta"].mean() > excess["learned"].mean() + 0.03, bounds
    assert np.array_equal(model.vlb(x[:9]).total, bounds["learned"].total[:9])  # the default


def constant_model(v, x0=0.3):
    """A network that puts out x0 and v whatever it sees: prediction "x0", variance share (v + 1) / 2."""
    net = sf.MLP((2, 2), widths=(), out=(2, 4))
    bias = np.tile([x0, x0, *np.broadcast_to(v, 2)], 2)  # two positions of two channels, then as many of the variance
    state = {name: np.zeros_like(value) for name, value in net.state().items()}
    state["layers.0.bias"] = bias
    net.theta = np.concatenate([value.ravel() for value in state.values()])
    return sf.Diffusion(net, sf.schedules.Linear(100, 1e-3, 0.2), prediction="x0", learn_variance=True)


def test_a_learned_variance_at_its_ends_is_a_fixed_one():
    x = 0.5 * sf.normal((5, 2, 2), seed=1)
    for steps in (None, 10):
        for v, kind in ((1.0, "beta"), (-1.0, "beta_tilde")):
            learned, fixed = (constant_model(v).vlb(x, variance=k, steps=steps) for k in ("learned", kind))
            for part in ("prior", "terms", "decoder"):
                assert np.array_equal(getattr(learned, part), getattr(fixed, part))


@pytest.mark.parametrize("steps", [None, 7])
def test_the_bound_of_a_learned_variance_by_the_paper(steps):
    """NumPy transcription of (16) with Nichol and Dhariwal 2021, eq. 15; x0_hat is the same at every x_t."""
    v, hat = np.array([-0.5, 0.25]), 0.3
    model, x = constant_model(v, hat), 0.5 * sf.normal((5, 2, 2), seed=1).astype(np.float64)
    times = np.arange(101) if steps is None else np.round(100 * np.arange(8) / 7)
    bar, share = model.schedule.alpha_bar(times), (np.float32(v).astype(float) + 1) / 2
    a = bar[1:] / bar[:-1]
    beta, tilde = 1 - a, (1 - a) * (1 - bar[:-1]) / (1 - bar[1:])  # (7)
    tilde[0] = tilde[1]
    w = np.exp(share * np.log(beta)[:, None] + (1 - share) * np.log(tilde)[:, None])  # (steps, channels)
    gap = np.float32(hat) - x
    factor = np.sqrt(bar[:-1]) * (1 - a) / (1 - bar[1:])  # of x0 in (6)
    bound = model.vlb(x, steps=steps)
    for i in range(1, len(a)):
        kl = (np.log(w[i] / tilde[i]) + tilde[i] / w[i] - 1 + (factor[i] * gap) ** 2 / w[i]) / 2
        assert np.allclose(bound.terms[:, i - 1], kl.sum(axis=(1, 2)), rtol=1e-9)
    decoder = (np.log(2 * np.pi * w[0]) + gap**2 / w[0]) / 2
    assert np.allclose(bound.decoder, decoder.sum(axis=(1, 2)), rtol=1e-9)
    for hat, levels in ((0.3, [0.125, 0.25, 0.375, 0.5]), (0.95, [0.75, 0.875, 1, 1])):  # a middle one and an end
        x = np.tile(np.reshape(levels, (2, 2)), (3, 1, 1))
        grey = constant_model(v, hat).vlb(x, levels=17, steps=steps)
        high, low = (cdf((x + side - np.float32(hat)) / np.sqrt(w[0])) for side in (1 / 16, -1 / 16))
        p = np.where(x == 1, 1, high) - low
        assert np.allclose(grey.decoder, -np.log(p).sum(axis=(1, 2)), rtol=1e-6)


@np.vectorize
def cdf(z):
    return (1 + math.erf(z / math.sqrt(2))) / 2


def test_the_bound_is_what_the_loss_adds_up():
    """Hybrid's part of the loss, vlb T L_{t-1} / D in the mean over t, is the bound of the same data without prior."""
    x = np.tile(0.5 * sf.normal((1, 2, 2), seed=1), (4000, 1, 1))
    model = constant_model([-0.5, 0.25])
    parts = [model.fit(x, steps=1, lr=1e-12, batch_size=1, loss=Hybrid(vlb=w), **QUIET).evaluate(x) for w in (1, 2)]
    bound = model.vlb(x[:1])  # x0_hat does not depend on the noise
    expected = (bound.total - bound.prior).mean() / 4
    assert parts[1].loss - parts[0].loss == pytest.approx(expected, rel=1e-3)


def test_it_samples_trains_on_and_comes_back_from_a_file(tmp_path):
    x, labels = sf.datasets.digits("train")
    net = sf.UNet((8, 8, 1), widths=(8, 16), out=2, classes=10)
    model = sf.Diffusion(net, sf.schedules.Linear(1000), learn_variance=True)
    model.fit(x, labels, steps=20, **QUIET)
    words = {"sampler": Ancestral("learned"), "steps": 5, "labels": [3, 4], "seed": 2, **QUIET}
    drawn = model.sample(guidance=2.0, clip=1.0, **words)
    assert drawn.shape == (2, 8, 8, 1)
    assert np.isfinite(drawn).all()
    assert not np.array_equal(drawn, model.sample(guidance=2.0, clip=1.0, **{**words, "sampler": Ancestral()}))
    model.save(tmp_path / "model.safetensors")
    again = sf.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.sample(guidance=2.0, clip=1.0, **words), drawn)
    assert np.array_equal(
        again.fit(x, labels, steps=3, **QUIET).net.theta, model.fit(x, labels, steps=3, **QUIET).net.theta
    )
    assert model.evaluate(x[:50], labels[:50]).loss == again.evaluate(x[:50], labels[:50]).loss
    assert model.denoise(x[:2], 10).shape == model.vjp(x[:2], 10, x[:2]).shape == (2, 8, 8, 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"learn_variance needs a network with out=\(4,\); this one puts out \(2,\)"):
        sf.Diffusion(sf.MLP(2), steps_of(), learn_variance=True)
    with pytest.raises(ValueError, match="learn_variance needs steps from t to t - 1, a discrete schedule"):
        sf.Diffusion(sf.MLP(2, out=4), sf.schedules.VP(), learn_variance=True)
    with pytest.raises(ValueError, match=r"losses\.Hybrid and learn_variance=True go together"):
        gaussian_model().fit(np.zeros((4, 1)), steps=1, loss="simple")
    with pytest.raises(ValueError, match=r"losses\.Hybrid and learn_variance=True go together"):
        sf.Diffusion(sf.MLP(2), steps_of()).fit(np.zeros((4, 2)), steps=1, loss=Hybrid())
    with pytest.raises(ValueError, match="needs a model with learn_variance"):
        sf.Diffusion(sf.MLP(2), steps_of()).sample(1, sampler=Ancestral("learned"))
    with pytest.raises(ValueError, match="needs a model with learn_variance, trained"):
        sf.Diffusion(sf.MLP(2), steps_of()).vlb(np.zeros((1, 2)), variance="learned")
    with pytest.raises(ValueError, match="vlb must be a number > 0"):
        Hybrid(vlb=0)
