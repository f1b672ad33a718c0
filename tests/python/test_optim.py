import numpy as np
import pytest

import scorefield as sf
import scorefield.optim as optim
from scorefield.errors import NonFiniteError
from scorefield.optim import SGD, Adam, resolve_optimizer


def gradients(steps, size, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, size)).astype(np.float32)


def run(optimizer, theta, dthetas):
    state = optimizer.init(theta)
    for dtheta in dthetas:
        theta, state = optimizer.step(theta, dtheta, state)
    return theta, state


def adam_in_double(theta, dthetas, rates, beta1, beta2, eps, decay, clip):
    """Kingma and Ba 2015, algorithm 1, with the decoupled decay of AdamW and clipping of the whole gradient."""
    w, m, v = theta.astype(float), 0, 0
    for k, (g, lr) in enumerate(zip(dthetas.astype(float), rates, strict=True), start=1):
        g = g * min(1, clip / np.linalg.norm(g))
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        w = (1 - lr * decay) * w - lr * (m / (1 - beta1**k)) / (np.sqrt(v / (1 - beta2**k)) + eps)
    return w


def test_ten_adam_steps_are_those_of_a_transcription():
    theta, dthetas = gradients(1, 50, seed=1)[0], gradients(10, 50)
    got, _ = run(Adam(lr=0.02, betas=(0.8, 0.99), weight_decay=0.1, clip_norm=2.0, warmup=4), theta, dthetas)
    rates = 0.02 * np.minimum(1, (np.arange(10) + 1) / 4)
    want = adam_in_double(theta, dthetas, rates, 0.8, 0.99, 1e-8, 0.1, 2.0)
    rounding = 10 * 4 * 6e-8 * np.abs(theta).max()  # ten steps, four roundings each
    np.testing.assert_allclose(got, want, rtol=0, atol=rounding)


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    theta, dthetas = gradients(1, 200, seed=2)[0], gradients(25, 200)
    pairs = [
        (Adam(lr=0.01, weight_decay=0.05, clip_norm=None), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.05)),
        (SGD(0.05, momentum=0.7, clip_norm=None), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.7)),
    ]
    for ours, theirs in pairs:
        parameter = torch.tensor(theta.copy(), requires_grad=True)
        other = theirs([parameter])
        for dtheta in dthetas:
            parameter.grad = torch.tensor(dtheta)
            other.step()
        got, _ = run(ours, theta, dthetas)
        np.testing.assert_allclose(got, parameter.detach().numpy(), rtol=0, atol=25 * 4 * 6e-8 * 3)


def test_a_step_leaves_its_arguments_alone_and_can_be_taken_twice():
    theta, dtheta = gradients(2, 7)
    adam = Adam()
    state = adam.init(theta)
    copies = theta.copy(), {name: array.copy() for name, array in state.items()}
    first, after = adam.step(theta, dtheta, state)
    second, _ = adam.step(theta, dtheta, state)
    assert np.array_equal(first, second)
    assert np.array_equal(theta, copies[0])
    assert all(np.array_equal(state[name], copies[1][name]) for name in state)
    assert after["adam.step"][0] == 1


def test_decay_ends_at_decay_steps():
    theta, dthetas = gradients(1, 3)[0], gradients(8, 3)
    at_five, state = run(SGD(0.1, decay="linear", decay_steps=5), theta, dthetas[:5])
    later, _ = SGD(0.1, decay="linear", decay_steps=5).step(at_five, dthetas[5], state)
    assert np.array_equal(at_five, later)  # the rate is 0
    with pytest.raises(ValueError, match="needs decay_steps"):
        Adam(decay="cosine").init(theta)


def test_a_fit_ends_the_decay_of_an_optimiser_that_does_not_say_when():
    x = sf.datasets.moons(64, seed=0)[0]
    trained = []
    for optimizer in (Adam(decay="cosine"), Adam(decay="cosine", decay_steps=6), Adam()):
        model = sf.Diffusion(sf.MLP(2, widths=(8,)), "vp")
        model.fit(x, steps=6, batch_size=16, optimizer=optimizer, progress=False)
        trained.append(model.net.theta)
    assert np.array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])


def test_non_finite_gradients_are_refused():
    adam = Adam()
    with pytest.raises(NonFiniteError, match="gradient is not finite"):
        adam.step([1.0], [np.nan], adam.init([1.0]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Adam(lr=0), ValueError, r"lr must be a number > 0, got 0"),
        (lambda: Adam(lr=np.nan), ValueError, "lr must be a number"),
        (lambda: Adam(lr="fast"), TypeError, "lr must be a number, got str 'fast'"),
        (lambda: Adam(betas=(0.9, 1.0)), ValueError, r"betas must be a number in \[0, 1\)"),
        (lambda: Adam(betas=0.9), TypeError, "betas must be two numbers"),
        (lambda: Adam(decay="exponential"), ValueError, "unknown decay 'exponential'"),
        (lambda: Adam(decay="cosine", warmup=10, decay_steps=10), ValueError, "greater than warmup"),
        (lambda: Adam(clip_norm=0), ValueError, "clip_norm must be a number > 0"),
        (lambda: SGD(0.1, momentum=1), ValueError, "momentum"),
        (lambda: SGD(0.1).step([1.0, 2.0], [1.0], {}), ValueError, r"dtheta must have shape \(2,\)"),
        (lambda: SGD(0.1).step([1.0], [1.0], Adam().init([1.0])), ValueError, "another optimiser"),
        (lambda: SGD(0.1).step([1.0], [1.0], SGD(0.1).init([1.0, 2.0])), ValueError, "has 2 numbers, expected 1"),
        (lambda: SGD(0.1).step([1.0], [1.0], None), TypeError, "state must be the dict"),
        (lambda: resolve_optimizer("adamm", None), ValueError, "did you mean 'adam'"),
        (lambda: resolve_optimizer(Adam(), 1e-3), ValueError, "give the learning rate once"),
        (lambda: resolve_optimizer(3, None), TypeError, "optimizer must be a name"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_names_stand_for_objects_and_reprs_for_constructor_calls():
    assert resolve_optimizer("sgd", 0.1) == SGD(0.1)
    assert resolve_optimizer("ADAM", None) == Adam()
    adam = Adam(lr=0.01, warmup=3)
    assert eval(repr(adam), vars(optim)) == adam
    assert hash(adam) == hash(Adam(lr=0.01, warmup=3))
