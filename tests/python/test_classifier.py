"""Classifiers: probabilities, gradients, noise, files, and the truth on a mixture whose classes are known."""

import pickle

import numpy as np
import pytest

import scorefield as sf

rng = np.random.default_rng(0)
QUIET = {"progress": False}
CENTRES = np.array([[-1.5, 0.0], [1.5, 0.5], [0.0, -1.5]])
STD = 0.7


def clouds(n, seed):
    r = np.random.default_rng(seed)
    labels = r.integers(0, 3, n)
    return (CENTRES[labels] + STD * r.normal(size=(n, 2))).astype(np.float32), labels


def posterior(x, alpha=1.0, sigma=0.0):
    """p(label given x_t) of three equal clouds, by Bayes: N(alpha centre, alpha^2 STD^2 + sigma^2)."""
    variance = (alpha * STD) ** 2 + sigma**2
    log_p = -((x[:, None] - alpha * CENTRES) ** 2).sum(-1) / (2 * variance)
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def judge():
    return sf.Classifier(sf.MLP(2, widths=(32,), out=3)).fit(*clouds(3000, 0), steps=600, lr=3e-3, **QUIET)


@pytest.fixture(scope="module")
def noisy():
    net = sf.MLP(2, widths=(64, 64), out=3)
    return sf.Classifier(net, sf.schedules.VP()).fit(*clouds(6000, 0), steps=1500, lr=3e-3, **QUIET)


def test_probabilities_are_those_of_bayes(judge):
    x, _ = clouds(500, 1)
    p = judge.predict_proba(x)
    assert p.shape == (500, 3)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert np.abs(p - posterior(x)).mean() < 0.02  # 3000 rows; 0.3 at random


def test_predictions_and_accuracy_follow_from_probabilities(judge):
    x, labels = clouds(400, 2)
    found = judge.predict(x)
    assert found.dtype == np.int64
    assert np.array_equal(found, judge.predict_proba(x).argmax(1))
    assert judge.accuracy(x, labels) == (found == labels).mean()
    best = (posterior(x).argmax(1) == labels).mean()
    assert abs(judge.accuracy(x, labels) - best) < 0.02
    np.testing.assert_allclose(
        judge.log_prob(x, labels=labels), np.log(judge.predict_proba(x))[np.arange(400), labels], atol=1e-5
    )
    assert judge.log_prob(x[:5], labels=1).shape == (5,)
    assert judge.log_prob(x[:5]).shape == (5, 3)


@pytest.mark.parametrize("t", [0.001, 0.2, 0.5])
def test_a_classifier_with_schedule_knows_the_posterior_at_every_noise(noisy, t):
    x, _ = clouds(800, 3)
    schedule = noisy.schedule
    x_t = schedule.add_noise(x, t, seed=4)
    exact = posterior(x_t, schedule.alpha(t), schedule.sigma(t))
    assert np.abs(noisy.predict_proba(x_t, t) - exact).mean() < 0.04
    each = noisy.predict_proba(x_t, np.full(800, t))
    assert np.array_equal(each, noisy.predict_proba(x_t, t))


@pytest.mark.parametrize("schedule", [None, sf.schedules.VP(), sf.schedules.EDM(), sf.schedules.Linear(100, 1e-3, 0.2)])
def test_gradients_are_those_of_log_prob(schedule):
    """Central differences in float32: h = 1e-2 leaves about 1e-4 of a derivative of order 1."""
    model = sf.Classifier(sf.MLP(3, widths=(16,), out=4, activation="tanh", seed=1), schedule)
    x, labels = rng.normal(size=(300, 3)).astype(np.float32), rng.integers(0, 4, 300)
    t = 0 if schedule is None else np.linspace(schedule.t_min, schedule.t_max, 300)
    found = model.gradient(x, t, labels)
    h = 1e-2
    for axis in range(3):
        step = h * np.eye(3, dtype=np.float32)[axis]
        difference = (model.log_prob(x + step, t, labels) - model.log_prob(x - step, t, labels)) / (2 * h)
        np.testing.assert_allclose(found[:, axis], difference, atol=2e-3)
    assert np.abs(found).max() > 0.05


def test_rows_without_label_have_no_gradient(judge):
    x, _ = clouds(4, 5)
    found = judge.gradient(x, labels=[0, None, 2, -1])
    assert (found[[1, 3]] == 0).all()
    assert (found[[0, 2]] != 0).any(axis=1).all()
    np.testing.assert_array_equal(found[0], judge.gradient(x[:1], labels=0)[0])


def test_training_goes_on_and_repeats():
    new = lambda: sf.Classifier(sf.MLP(2, widths=(8,), out=3), "vp")  # noqa: E731
    x, labels = clouds(100, 0)
    whole = new().fit(x, labels, steps=30, **QUIET)
    parts = new().fit(x, labels, steps=11, **QUIET).fit(x, labels, steps=19, **QUIET)
    assert np.array_equal(whole.net.theta, parts.net.theta)
    assert np.array_equal(whole.predict_proba(x), parts.predict_proba(x))
    losses = [event.loss for event in new().fit_iter(x, labels, steps=200, lr=1e-2, validation=(x, labels), **QUIET)]
    assert losses[-1] < losses[0]
    assert new().fit(x, labels, steps=3, sample_weight="balanced", **QUIET).step == 3


@pytest.mark.parametrize("schedule", [None, sf.schedules.Cosine(50)])
def test_files_and_pickles_bring_it_back(tmp_path, schedule):
    model = sf.Classifier(sf.Encoder((4, 4, 1), widths=(4, 8), out=2), schedule)
    x, labels = rng.normal(size=(20, 4, 4, 1)), np.arange(20) % 2
    model.fit(x, labels, steps=5, run=sf.Run(tmp_path / "run", every=2), **QUIET)
    model.save(tmp_path / "a")
    for again in (sf.load(tmp_path / "a"), sf.load(tmp_path / "run"), pickle.loads(pickle.dumps(model))):
        assert isinstance(again, sf.Classifier)
        assert repr(again) == repr(model)
        assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
        other = model.copy().fit(x, labels, steps=2, **QUIET)
        assert np.array_equal(again.fit(x, labels, steps=2, **QUIET).net.theta, other.net.theta)
    assert model.step == 5
    assert np.array_equal(model.reset(0).net.theta, sf.Encoder((4, 4, 1), widths=(4, 8), out=2).theta)


def test_it_shows_itself(judge):
    assert repr(judge) == "Classifier(MLP(2, widths=(32,), out=3), None)"
    assert "3 classes" in str(judge)
    assert "<svg" in judge._repr_html_()


X = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("ask", "error", "match"),
    [
        (lambda j: sf.Classifier(sf.MLP(2, out=1)), ValueError, "out=number of classes"),
        (lambda j: sf.Classifier(sf.UNet((4, 4, 1))), ValueError, "out=number of classes"),
        (lambda j: sf.Classifier("mlp"), TypeError, "must be a network"),
        (lambda j: j.fit(X, [0, 1, 2, 3], steps=1), ValueError, r"labels must be in 0\.\.2"),
        (lambda j: j.fit(X, [0, 1, 2, None], steps=1), ValueError, "1 rows have none"),
        (lambda j: j.fit(X, [0, 1], steps=1), ValueError, "4 entries"),
        (lambda j: j.fit(X, None, steps=1), ValueError, "4 rows have none"),
        (lambda j: j.fit(X, [0, 1, 2, 0], steps=1, validation=X), ValueError, r"must be \(x, labels\)"),
        (lambda j: j.predict(np.zeros((4, 3))), ValueError, "x must have shape"),
        (lambda j: j.predict(X, 0.5), ValueError, "t must be 0"),
        (lambda j: j.predict(X * np.nan), ValueError, "non-finite"),
        (lambda j: j.accuracy(X, [0, 1, None, 2]), ValueError, "every row"),
        (lambda j: j.gradient(X), ValueError, "labels must say"),
        (lambda j: j.log_prob(X, np.zeros(3)), ValueError, "one time or have shape"),
    ],
)
def test_what_is_refused(judge, ask, error, match):
    with pytest.raises(error, match=match):
        ask(judge)


def test_times_outside_the_schedule_are_refused(noisy):
    with pytest.raises(ValueError, match=r"t must lie in 0\.\.1"):
        noisy.predict(X, 1.5)
