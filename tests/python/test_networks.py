"""Networks: what they compute, their derivatives, their bits, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest
from unet_specification import Specification

import scorefield as sf

ANOTHER_KIND = {"scale_shift": True, "residual_resampling": True, "middle_scale": 2**0.5, "frequency_shift": 1}
OF_NOISE = {
    "time_embedding": "fourier",
    "centred": True,
    "attention": ((6,), (3,)),
    "residual_resampling": ((), (3,)),
    "middle_groups": 0,
    "activation": "mish",
    "time_width": 12,
}
OF_ROWS = {
    "time_embedding": 1000,
    "middle": False,
    "classes": 3,
    "condition": (32,),
    "condition_embedding": "identity",
    "activation": "gelu",
}
SMALL = {
    "MLP": lambda: sf.MLP(3, widths=(16, 12), classes=4, condition=(2,)),
    "affine": lambda: sf.MLP(2, widths=()),
    "vectors of any shape": lambda: sf.MLP((2, 3), widths=(8,), out=(2, 2), activation="tanh"),
    "UNet": lambda: sf.UNet((6, 5, 2), widths=(8, 12), depth=1, attention=(3,), classes=3, condition=(2,)),
    "UNet with an image": lambda: sf.UNet((7, 4, 1), widths=(8, 8), depth=1, condition=(7, 4, 2), out=2),
    "UNet of another kind": lambda: sf.UNet((6, 5, 1), widths=(8, 12), depth=1, **ANOTHER_KIND),
    "UNet that hears sigma": lambda: sf.UNet((6, 5, 2), widths=(8, 12), depth=1, **OF_NOISE),
    "UNet of a table": lambda: sf.UNet((5, 6, 1), widths=(8, 12), depth=1, **OF_ROWS),
    "sequence": lambda: sf.UNet((9, 2), widths=(8, 8), depth=1, attention=(5,)),
    "sequence of another kind": lambda: sf.UNet((7, 1), widths=(8, 8), depth=1, **ANOTHER_KIND),
    "Encoder": lambda: sf.Encoder((7, 5, 1), widths=(8, 8), out=(3,)),
}


@pytest.fixture(params=SMALL, name="net")
def _net(request):
    return SMALL[request.param]()


def arguments(net, n=5, seed=0):
    """Numbers for every argument that the network takes."""
    rng = np.random.default_rng(seed)
    given = {"x": rng.normal(size=(n, *net.shape)), "c_noise": rng.uniform(0, 1000, n)}
    if isinstance(getattr(net, "time_embedding", None), int):
        given["c_noise"] = np.floor(given["c_noise"])
    if net.classes:
        given["labels"] = [None, *rng.integers(net.classes, size=n - 1)]
    if net.condition:
        given["condition"] = rng.normal(size=(n, *net.condition))
    if getattr(net, "condition_embedding", None) == "sinusoid":
        given["condition"] = np.floor(1 + 100 * np.abs(given["condition"]))
    return given


# ---- what they compute

UNETS = {
    "two levels": {"shape": (8, 8, 1), "widths": (32, 64), "attention": (8, 4)},
    "heads": {"shape": (8, 4, 3), "widths": (16, 32, 32), "depth": 1, "attention": (4,), "head_channels": 8},
    "heads that leave channels over": {"shape": (4, 4, 1), "widths": (16,), "depth": 1, "head_channels": 5},
    "shifted": {"shape": (8, 8, 2), "widths": (8, 16), "depth": 1, "shifted_downsampling": True, "eps": 1e-6},
    "odd sizes": {"shape": (7, 5, 1), "widths": (8, 16, 8), "depth": 1, "groups": 4, "middle_attention": False},
    "classes": {"shape": (4, 4, 1), "widths": (8, 12), "depth": 1, "classes": 3},
    "odd width": {"shape": (4, 4, 1), "widths": (9,), "depth": 1},
    "frequencies": {"shape": (4, 4, 1), "widths": (16,), "depth": 1, "frequency_shift": 1, "cosine_first": True},
    "scale and shift": {"shape": (4, 6, 1), "widths": (8, 16), "depth": 1, "scale_shift": True, "attention": (4,)},
    "residual resampling": {"shape": (7, 5, 2), "widths": (8, 12, 8), "depth": 1, "residual_resampling": True},
    "middle scale": {"shape": (4, 4, 1), "widths": (8, 8), "depth": 1, "middle_scale": 2**0.5},
    "sigma": {"shape": (6, 5, 2), "widths": (8, 12), "depth": 1, **OF_NOISE},
    "sigma and a number": {
        "shape": (4, 4, 1),
        "widths": (8,),
        "time_embedding": "fourier",
        "condition": (1,),
        "condition_embedding": "sinusoid",
    },
    "two numbers of a table": {
        "shape": (4, 4, 1),
        "widths": (8,),
        "time_embedding": 1000,
        "condition": (1,),
        "condition_embedding": "sinusoid",
    },
    "rows": {"shape": (5, 6, 1), "widths": (8, 12), "depth": 1, **OF_ROWS},
    "other ways up": {"shape": (8, 8, 1), "widths": (8, 8, 8), "attention": ((4, 2), ()), "middle_groups": 4},
    "some changes inside": {"shape": (8, 6, 1), "widths": (8, 8, 8), "residual_resampling": ((4,), (4, 2)), "depth": 1},
    "a centred image": {"shape": (4, 4, 1), "widths": (8,), "centred": True, "condition": (4, 4, 2), "time_width": 3},
    "a number": {"shape": (4, 4, 1), "widths": (8,), "condition": (1,), "condition_embedding": "sinusoid"},
    "relu": {"shape": (4, 4, 1), "widths": (8,), "activation": "relu", "classes": 2, "condition": (2,)},
    "tanh": {"shape": (4, 4, 1), "widths": (8, 8), "activation": "tanh", "depth": 1, "scale_shift": True},
    "no activation": {"shape": (4, 4, 1), "widths": (8,), "activation": "identity", "depth": 1},
}


# Float32 keeps about 7 digits; some hundred operations leave 1e-6. 1e-5 is what the project promises.
@pytest.mark.parametrize("spec", UNETS)
def test_a_unet_is_its_specification(spec):
    net = sf.UNet(**UNETS[spec], seed=3)
    net.theta = net.theta + 0.05 * sf.normal((1, net.num_parameters), seed=1)[0]  # no bias 0, no gain 1
    given = arguments(net)
    y = net(**given)
    given["t"] = np.float32(given.pop("c_noise")).astype(
        np.float64
    )  # the waves of log(t) are fast: the t that it heard
    expected = Specification(net)(**given)
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_unet_is_that_of_diffusers():  # a second opinion, where it is installed
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed, or without what it needs")
    theirs = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        layers_per_block=2,
        down_block_types=("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D"),
        attention_head_dim=None,
        norm_num_groups=4,
        flip_sin_to_cos=False,
    )
    net = sf.UNet((8, 8, 1), widths=(16, 32), attention=(8,), groups=4)
    state = {name: torch.from_numpy(p) for name, p in net.state().items()}
    theirs.load_state_dict({n: state[n].reshape(p.shape) for n, p in theirs.state_dict().items()})
    x = sf.normal((3, 8, 8, 1), seed=0)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.tensor([1, 500, 999])).sample.numpy()
    assert np.abs(net(x, [1, 500, 999]) - expected.transpose(0, 2, 3, 1)).max() <= 1e-5 * np.abs(expected).max()


def test_an_mlp_is_its_formula():
    net = sf.MLP(2, widths=(8, 6), classes=3, condition=(2,), seed=5)
    given, p = arguments(net), {name: a.astype(np.float64) for name, a in net.state().items()}
    angle = given["c_noise"][:, None] * 10000.0 ** (-np.arange(32) / 32)
    h = np.concatenate([given["x"], np.sin(angle), np.cos(angle)], 1) @ p["layers.0.weight"].T + p["layers.0.bias"]
    h += given["condition"] @ p["condition_embedding.weight"].T + p["condition_embedding.bias"]
    h[1:] += p["class_embedding.weight"][np.asarray(given["labels"][1:], int)]  # the first row has no label
    for i in (1, 2):
        h = (h / (1 + np.exp(-h))) @ p[f"layers.{i}.weight"].T + p[f"layers.{i}.bias"]
    assert np.abs(net(**given) - h).max() <= 1e-5 * np.abs(h).max()


def test_without_hidden_layers_an_mlp_is_an_affine_map_that_hears_no_time():
    net = sf.MLP(3, widths=())
    x, p = np.random.default_rng(0).normal(size=(4, 3)), net.state()
    np.testing.assert_allclose(net(x, 7), x @ p["layers.0.weight"].T + p["layers.0.bias"], rtol=0, atol=1e-6)
    assert np.array_equal(net(x, 7), net(x, 8))


def test_time_is_heard_unless_the_network_is_affine(net):
    given = arguments(net)
    given["c_noise"] = 3.0
    other = {**given, "c_noise": np.full(5, 4.0)}
    assert np.array_equal(net(**given), net(**other)) == (net.num_parameters == 6)


def test_published_models_have_their_number_of_parameters():
    assert sf.UNet((32, 32, 3), widths=(128, 256, 256, 256), attention=(16,), groups=32).num_parameters == 35746307


def test_no_label_is_none_is_minus_one_and_no_condition_is_zero():
    net = SMALL["UNet"]()
    given = arguments(net)
    del given["labels"], given["condition"]
    y = net(**given)
    assert np.array_equal(y, net(**given, labels=None, condition=np.zeros((5, 2))))
    assert np.array_equal(y, net(**given, labels=[None] * 5))
    assert np.array_equal(y, net(**given, labels=-1))
    assert not np.array_equal(y, net(**given, labels=2))
    assert np.array_equal(net(**given, labels=2), net(**given, labels=[2] * 5))


@pytest.mark.parametrize("make", [lambda: sf.MLP((4,), states=3), lambda: sf.UNet((4, 4, 1), widths=(8,), states=3)])
def test_states_go_in_as_integers_and_come_out_as_logits(make):
    net = make()
    x = np.random.default_rng(0).integers(0, 4, (2, *net.shape))
    y, tape = net.forward(x, 10)
    assert y.shape == (2, *net.shape, 3)
    dx, _ = net.backward(tape, y)
    assert dx.shape == (2, *net.shape, 4)
    with pytest.raises(ValueError, match=r"x must be in 0\.\.3"):
        net(x + 1)
    with pytest.raises(TypeError, match="x must hold integers"):
        net(x * 1.0)
    with pytest.raises(ValueError, match="no tangent"):
        net.tangent(x, x)


# ---- derivatives


def test_gradcheck(net):
    assert sf.gradcheck(net, seed=1) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("spec", UNETS)
def test_gradcheck_of_whole_unets(spec):
    assert sf.gradcheck(sf.UNet(**UNETS[spec])) <= 1e-6


@pytest.mark.parametrize("activation", ["silu", "gelu", "tanh", "relu", "mish", "identity"])
def test_gradcheck_of_every_activation(activation):
    assert sf.gradcheck(sf.MLP(2, widths=(9,), activation=activation)) <= 1e-6


def test_forward_is_the_call_and_backward_is_the_transpose_of_the_tangent(net):
    given = arguments(net)
    plain = {"x": given["x"], "c_noise": given["c_noise"]}
    y, tape = net.forward(**given)
    assert np.array_equal(y, net(**given))
    y, tape = net.forward(**plain)
    rng = np.random.default_rng(3)
    dy, x_dot = rng.normal(size=y.shape), rng.normal(size=given["x"].shape)
    dx, dtheta = net.backward(tape, dy)
    assert dx.shape == given["x"].shape
    assert dtheta.shape == (net.num_parameters,)
    forward, backward = np.sum(net.tangent(**plain, x_dot=x_dot) * dy), np.sum(x_dot * dx)
    size = np.linalg.norm(dx) * np.linalg.norm(x_dot)
    assert abs(forward - backward) <= 1e-5 * size  # float32


def test_a_tape_serves_many_backward_calls_and_is_linear(net):
    y, tape = net.forward(**arguments(net))
    one = net.backward(tape, y)
    again = net.backward(tape, y)
    twice = net.backward(tape, 2 * y)
    for a, b, c in zip(one, again, twice, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(2 * a, c)  # powers of 2 are exact


def test_the_tape_keeps_what_it_saw():
    net = SMALL["MLP"]()
    given = arguments(net)
    given["x"] = given["x"].astype(np.float32)
    theta = net.theta
    y, tape = net.forward(**given, theta=theta)
    expected = net.backward(tape, y)
    given["x"][:], theta[:] = 7, 7  # the caller's arrays are the caller's
    net.theta = np.zeros(net.num_parameters)
    for a, b in zip(net.backward(tape, y), expected, strict=True):
        assert np.array_equal(a, b)


def test_other_parameters_can_be_used_without_assigning_them():
    net, other = sf.MLP(2, seed=0), sf.MLP(2, seed=1)
    x = sf.normal((4, 2), seed=0)
    assert np.array_equal(net.forward(x, theta=other.theta)[0], other(x))
    assert np.array_equal(net(x), sf.MLP(2, seed=0)(x))


def test_a_training_loop_by_hand_finds_the_regression_line():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    target = 3 * x - 1
    net, adam = sf.MLP(1, widths=()), sf.optim.Adam(lr=0.05)
    theta, state = net.theta, adam.init(net.theta)
    for _ in range(300):
        y, tape = net.forward(x, theta=theta)
        _, dtheta = net.backward(tape, 2 * (y - target) / y.size)
        theta, state = adam.step(theta, dtheta, state)
    np.testing.assert_allclose(theta, [3, -1], atol=1e-3)


# ---- bits


def test_bits_depend_neither_on_threads_nor_on_the_batch(net):
    given = arguments(net, n=37)
    results = []
    for threads in (1, 2, 3):
        with sf.set_num_threads(threads):
            y, tape = net.forward(**given)
            results.append([net(**given), y, *net.backward(tape, y)])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    parts = [net(**{k: v[i : i + 5] for k, v in given.items()}) for i in range(0, 37, 5)]
    assert np.array_equal(results[0][0], np.concatenate(parts))


def test_the_seed_decides_the_first_parameters():
    assert np.array_equal(sf.MLP(2, seed=3).theta, sf.MLP(2, seed=3).theta)
    assert not np.array_equal(sf.MLP(2, seed=3).theta, sf.MLP(2, seed=4).theta)


# ---- as objects


def test_equal_networks_have_equal_arguments_and_parameters(net):
    assert eval(repr(net), vars(sf)) == net
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other == net
        other.theta = 2 * other.theta
        assert other != net
    assert net != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(net)


def test_only_theta_can_be_assigned_and_it_is_copied_both_ways(net):
    theta = net.theta
    theta[:] = 7
    assert not np.array_equal(net.theta, theta)
    net.theta = theta
    theta[:] = 8
    assert np.all(net.theta == 7)
    with pytest.raises(ValueError, match=r"theta must have shape"):
        net.theta = theta[1:]
    with pytest.raises(ValueError, match=r"non-finite"):
        net.theta = np.full_like(theta, np.nan)
    with pytest.raises(AttributeError, match="fixed when it is made"):
        net.shape = (3,)


def test_state_lists_theta_by_name(net):
    state = net.state()
    assert np.array_equal(np.concatenate([p.ravel() for p in state.values()]), net.theta)
    summary = net.summary()
    assert summary.startswith(repr(net))
    assert f"{net.num_parameters:,}" in summary


def test_shapes_of_outputs():
    assert sf.MLP(3).output_shape == (3,)
    assert sf.MLP((2, 3), out=4).output_shape == (4,)
    assert sf.UNet((8, 8, 3), widths=(8,), out=6).output_shape == (8, 8, 6)
    assert sf.UNet((8, 8, 3), widths=(8,), out=(8, 8, 1)).output_shape == (8, 8, 1)
    assert sf.Encoder((8, 8, 1), widths=(8,), out=10).output_shape == (10,)


# ---- what they refuse

MISTAKES = [
    (lambda: sf.MLP(0), ValueError, "shape must be an integer >= 1|every entry of shape"),
    (lambda: sf.MLP("2"), TypeError, "shape must be an integer or a tuple"),
    (lambda: sf.MLP((1, 2, 3, 4)), ValueError, r"shape must be \(D,\) or \(L, C\) or \(H, W, C\)"),
    (lambda: sf.MLP(2, widths=(8, 0)), ValueError, "every entry of widths"),
    (lambda: sf.MLP(2, widths=(8.5,)), TypeError, "every entry of widths must be an integer"),
    (lambda: sf.MLP(2, activation="softplus"), ValueError, "Known: silu, gelu, tanh, relu, mish, identity"),
    (lambda: sf.MLP(2, classes=0), ValueError, "classes must be an integer"),
    (lambda: sf.MLP(2, classes=True), TypeError, "classes must be an integer, got the bool"),
    (lambda: sf.MLP(2, condition=(2, 2)), ValueError, r"condition must be \(D,\)"),
    (lambda: sf.MLP(2, out=3, states=3), ValueError, "give out or states, not both"),
    (lambda: sf.MLP(2, seed=-1), ValueError, "seed must be an integer"),
    (lambda: sf.MLP(2**20, widths=(2**20,)), ValueError, "parameters, more than"),
    (lambda: sf.UNet((8,)), ValueError, r"shape must be \(L, C\) or \(H, W, C\)"),
    (lambda: sf.UNet((8, 8, 1), widths=()), ValueError, "widths must have at least one entry"),
    (lambda: sf.UNet((8, 8, 1), attention=(5,)), ValueError, "attention at height 5, but the heights are 8 to 4"),
    (lambda: sf.UNet((8, 8, 1), groups=3), ValueError, "groups must divide every width: 3 does not divide 32"),
    (lambda: sf.UNet((8, 8, 1), head_channels=33), ValueError, "at most the least width, 32, got 33"),
    (lambda: sf.UNet((8, 8, 1), dropout=1), ValueError, r"dropout must be a number in \[0, 1\)"),
    (lambda: sf.UNet((8, 8, 1), condition=(4, 4, 1)), ValueError, r"condition must have shape \(K,\) or \(8, 8, K\)"),
    (lambda: sf.UNet((8, 8, 1), out=(4, 4, 1)), ValueError, "out must be a number of channels"),
    (lambda: sf.UNet((8, 8, 1), middle_attention=1), TypeError, "middle_attention must be True or False"),
    (lambda: sf.UNet((8, 8, 1), scale_shift=1), TypeError, "scale_shift must be True or False"),
    (lambda: sf.UNet((8, 8, 1), frequency_shift=16), ValueError, r"frequency_shift must be an integer in 0\.\.15"),
    (lambda: sf.UNet((8, 8, 1), middle_scale=0), ValueError, "middle_scale must be a number > 0"),
    (lambda: sf.UNet((8, 8, 1), middle_groups=5), ValueError, "middle_groups must divide the last width, 64, or be 0"),
    (lambda: sf.UNet((8, 8, 1), middle=0), TypeError, "middle must be True or False"),
    (lambda: sf.UNet((8, 8, 1), attention=((8,), (5,))), ValueError, "attention on the way up at height 5, but"),
    (lambda: sf.UNet((8, 8, 1), residual_resampling=(8,)), TypeError, "must be True, False, or two tuples of heights"),
    (lambda: sf.UNet((8, 8, 1), residual_resampling=((3,), ())), ValueError, "on the way down at height 3, but"),
    (lambda: sf.UNet((8, 8, 1), activation="softplus"), ValueError, "unknown activation 'softplus'"),
    (lambda: sf.UNet((8, 8, 1), time_embedding="waves"), ValueError, "Known: sinusoid, fourier"),
    (lambda: sf.UNet((8, 8, 1), time_embedding=0), ValueError, "time_embedding must be an integer"),
    (lambda: sf.UNet((8, 8, 1), time_width=0), ValueError, "time_width must be an integer"),
    (lambda: sf.UNet((8, 8, 1), condition_embedding="sum"), ValueError, "Known: linear, sinusoid, identity"),
    (lambda: sf.UNet((8, 8, 1), condition_embedding="sinusoid"), ValueError, r"needs condition=\(1,\), got None"),
    (
        lambda: sf.UNet((8, 8, 1), condition=(4,), condition_embedding="identity"),
        ValueError,
        r"condition_embedding='identity' needs condition=\(128,\), got \(4,\)",
    ),
    (lambda: sf.UNet((8, 8, 1), time_embedding="fourier")(np.zeros((1, 8, 8, 1))), ValueError, "times above 0, got 0"),
    (lambda: sf.UNet((8, 8, 1), time_embedding=9)(np.zeros((1, 8, 8, 1)), 9), ValueError, "whole numbers below 9 .*9"),
    (lambda: sf.UNet((8, 8, 1), time_embedding=9)(np.zeros((1, 8, 8, 1)), 0.5), ValueError, "whole numbers.* 0.5"),
    (lambda: sf.UNet((8, 8, 1), text=object()), ValueError, "text= is not available"),
    (lambda: sf.UNet((8, 8, 1), eps=0), ValueError, "eps must be a number > 0"),
    (lambda: sf.Encoder((8, 8, 1), widths=(8,), out=0), ValueError, "every entry of out"),
    (lambda: sf.gradcheck(3), TypeError, "gradcheck takes a network or a loss, got int"),
]


@pytest.mark.parametrize(("make", "error", "message"), MISTAKES)
def test_a_network_that_cannot_be_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_inputs_that_do_not_fit_are_refused():
    net, image = SMALL["MLP"](), sf.UNet((8, 8, 1), widths=(8,), depth=1)
    x = np.zeros((4, 3))
    calls = [
        (lambda: net(x[:, :2]), ValueError, r"x must have shape \(n, 3\), got \(4, 2\)"),
        (lambda: net(x[0]), ValueError, r"for one sample use x\[None\]"),
        (lambda: net(np.full((4, 3), np.nan)), ValueError, "x holds 12 non-finite values"),
        (lambda: net(x, np.zeros(3)), ValueError, r"c_noise must be a number or have shape \(4,\), got \(3,\)"),
        (lambda: net(x, np.inf), ValueError, "c_noise holds"),
        (lambda: net(x, labels=[0, 1, 2, 4]), ValueError, r"labels must be in 0\.\.3 .* got 4 at \[3\]"),
        (lambda: net(x, labels=[0, 1]), ValueError, "labels must hold 4 entries"),
        (lambda: net(x, condition=np.zeros((4, 3))), ValueError, r"condition must have shape \(4, 2\)"),
        (lambda: net(x, text="a cat"), ValueError, "made without a text encoder"),
        (lambda: image(np.zeros((2, 8, 8, 1)), labels=1), ValueError, "has no classes"),
        (lambda: image(np.zeros((2, 8, 8, 1)), condition=1), ValueError, "takes none"),
        (lambda: image(np.zeros((2, 1, 8, 8))), ValueError, r"x.transpose\(0, 2, 3, 1\)"),
        (lambda: image(np.zeros((2, 8, 8, 1), np.uint8)), TypeError, "sf.from_uint8"),
        (lambda: net.forward(x, theta=np.zeros(3)), ValueError, "theta must have shape"),
        (lambda: net.tangent(x, x[:2]), ValueError, r"x_dot must have shape \(4, 3\)"),
    ]
    for call, error, message in calls:
        with pytest.raises(error, match=message):
            call()


def test_a_tape_belongs_to_its_network_and_rows():
    net, other = SMALL["MLP"](), SMALL["MLP"]()
    y, tape = net.forward(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="another network"):
        other.backward(tape, y)
    with pytest.raises(ValueError, match=r"dy must have shape \(4, 3\), got \(2, 3\)"):
        net.backward(tape, y[:2])
    with pytest.raises(TypeError, match="tape must be what forward returned"):
        net.backward(y, y)
