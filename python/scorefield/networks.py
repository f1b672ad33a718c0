"""Networks: functions (x, c_noise, condition) -> y with hand-written derivatives and all parameters in one flat array.

A network knows nothing of diffusion. Its shape and its parts are fixed when it is made; only `theta` changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield import _core
from scorefield._arrays import choice, integer, label_array, number, real_array, seed_number

__all__ = ["MLP", "Encoder", "Network", "Tape", "UNet"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

ACTIVATIONS = ("silu", "gelu", "tanh", "relu", "identity")
LARGEST = 2**31  # parameters: 8 GB of float32
LONGEST = 2**24  # of one axis


@dataclass(frozen=True, eq=False)
class Tape:
    """What a forward pass leaves for `Network.backward`; it belongs to the network and the rows that made it."""

    network: Network
    rows: int
    _recording: Any = field(repr=False)


class Network(ABC):
    """A function of (x, c_noise, condition) with derivatives by hand. Made by `MLP`, `UNet` or `Encoder`.

    shape : of one x.   output_shape : of one y.   num_parameters : length of `theta`.
    classes : number of labels, or None.   condition : shape of one condition, or None.

    Equal networks have the same constructor arguments and the same parameters. Pickles hold both.
    """

    shape: Shape
    classes: int | None = None
    condition: Shape | None = None
    states: int | None = None
    seed: int
    _core: Any
    _theta: Array

    @abstractmethod
    def _plan(self) -> Any:
        """Return the core's network for the checked arguments."""

    @property
    @abstractmethod
    def output_shape(self) -> Shape:
        """Shape of one y."""

    def _seal(self) -> None:
        """Make the plan and the first parameters; from here on only theta can be assigned."""
        vars(self)["_core"] = self._plan()
        if self._core.parameter_count > LARGEST:
            raise ValueError(
                f"{type(self).__name__} would have {self._core.parameter_count:,} parameters, more than {LARGEST:,}; "
                "use smaller widths"
            )
        self._keep(self._core.init(self.seed))

    def _keep(self, theta: Array) -> None:
        theta.flags.writeable = False
        vars(self)["_theta"] = theta

    def __setattr__(self, name: str, value: object) -> None:
        if name != "theta" and "_theta" in vars(self):
            raise AttributeError(f"{name} of a network is fixed when it is made; only theta can be assigned")
        super().__setattr__(name, value)

    # ---- parameters

    @property
    def num_parameters(self) -> int:
        """Length of theta."""
        return int(self._core.parameter_count)

    @property
    def theta(self) -> Array:
        """All parameters, shape (num_parameters,), float32. Reading copies; assigning checks and copies.

        >>> net = MLP(2)
        >>> net.theta = 0.5 * net.theta
        """
        return self._theta.copy()

    @theta.setter
    def theta(self, value: npt.ArrayLike) -> None:
        self._keep(real_array(value, "theta", shape=(self.num_parameters,), copy=True))

    def state(self) -> dict[str, Array]:
        """Return copies of the parameters by name, in theta's order; names and shapes of a UNet are those of diffusers.

        >>> sorted(MLP(2, widths=()).state())
        ['layers.0.bias', 'layers.0.weight']
        """
        parameters = self._core.parameters
        return {
            name: self._theta[begin : begin + size].reshape(shape).copy() for name, shape, begin, size in parameters
        }

    # ---- running

    def __call__(
        self,
        x: npt.ArrayLike,
        c_noise: npt.ArrayLike = 0,
        labels: object = None,
        condition: npt.ArrayLike | None = None,
        text: object = None,
    ) -> Array:
        """Return y, shape (n, *output_shape), float32.

        x : (n, *shape); with `states` integers 0..states, the last of which is the mask.
        c_noise : a number or (n,), what the network hears of the noise level; in the hundreds for discrete schedules.
        labels : an int or n of them, None or -1 = unconditional.   condition : (n, *condition), None = 0.
        Raises ValueError for wrong shapes, NaN, labels out of range, and conditions that the network does not take.
        """
        arrays = self._inputs(x, c_noise, labels, condition, text)
        y: Array = self._core.infer(self._theta, arrays)
        return y.reshape(len(y), *self.output_shape)

    def forward(
        self,
        x: npt.ArrayLike,
        c_noise: npt.ArrayLike = 0,
        labels: object = None,
        condition: npt.ArrayLike | None = None,
        text: object = None,
        *,
        theta: npt.ArrayLike | None = None,
    ) -> tuple[Array, Tape]:
        """Return (y, tape): what the call returns, and what `backward` needs. theta : to use instead of its own.

        >>> net = MLP(2)
        >>> y, tape = net.forward(np.zeros((5, 2)), 0.5)
        >>> dx, dtheta = net.backward(tape, 2 * y / y.size)   # of the mean square
        """
        own = theta is None
        parameters = self._theta if own else real_array(theta, "theta", shape=(self.num_parameters,))
        y, recording = self._core.forward(parameters, self._inputs(x, c_noise, labels, condition, text))
        return y.reshape(len(y), *self.output_shape), Tape(self, len(y), recording)

    def backward(self, tape: Tape, dy: npt.ArrayLike) -> tuple[Array, Array]:
        """Return (dx, dtheta), the gradients of sum(dy * y).

        tape : from `forward` of this network.   dy : (n, *output_shape), the derivative of a loss in y.
        dx is like x (with `states`: like its one-hot form), dtheta (num_parameters,), both float32. A tape serves many
        calls.
        """
        if not isinstance(tape, Tape):
            raise TypeError(f"tape must be what forward returned, got {type(tape).__name__}")
        if tape.network is not self:
            raise ValueError("the tape belongs to another network; call forward of this one")
        dy = real_array(dy, "dy", shape=(tape.rows, *self.output_shape))
        wanted = [name == "x" for name, _ in self._core.inputs]
        gradients, dtheta = tape._recording.backward(dy.reshape(tape.rows, -1), wanted)
        one_hot = () if self.states is None else (self.states + 1,)
        return gradients[wanted.index(True)].reshape(tape.rows, *self.shape, *one_hot), dtheta

    def tangent(self, x: npt.ArrayLike, x_dot: npt.ArrayLike, c_noise: npt.ArrayLike = 0) -> Array:
        """Return y_dot = (dy/dx) x_dot, shape (n, *output_shape), float32: exact, by dual numbers in float64.

        x, x_dot : (n, *shape).   c_noise : a number or (n,). Without labels and condition.
        """
        if self.states is not None:
            raise ValueError("a network of states has integers as its x, which have no tangent")
        arrays = [a.astype(np.float64) for a in self._inputs(x, c_noise, None, None, None)]
        x_dot = real_array(x_dot, "x_dot", shape=(len(arrays[0]), *self.shape), dtype=np.float64)
        still = np.zeros((0, 0))
        names = [name for name, _ in self._core.inputs]
        slopes = [x_dot.reshape(len(x_dot), -1) if name == "x" else still for name in names]
        y_dot: Array = self._core.tangent(self._theta.astype(np.float64), arrays, slopes)
        return y_dot.reshape(len(y_dot), *self.output_shape).astype(np.float32)

    def _inputs(self, x: Any, c_noise: Any, labels: Any, condition: Any, text: Any) -> list[Array]:
        """Check what comes in; return one float32 array (n, numbers) per input of the plan."""
        rows = self._read_x(x)
        n = len(rows)
        if text is not None:
            raise ValueError("text came, but this network was made without a text encoder; leave text out")
        if labels is not None and self.classes is None:
            raise ValueError("labels came, but the network has no classes; make it with classes=..., or leave them out")
        if condition is not None and self.condition is None:
            raise ValueError(
                "a condition came, but the network takes none; make it with condition=..., or leave it out"
            )
        given = {"x": rows, "time": _per_row(c_noise, "c_noise", n)}
        if self.classes is not None:
            ids = np.full(n, -1) if labels is None else label_array(labels, "labels", n=n, classes=self.classes)
            given["label"] = ids.astype(np.float32).reshape(n, 1)
        if self.condition is not None:
            shape = (n, *self.condition)
            array = (
                np.zeros(shape, np.float32) if condition is None else real_array(condition, "condition", shape=shape)
            )
            given["image" if len(self.condition) > 1 else "vector"] = array.reshape(n, -1)
        return [given[name] for name, _ in self._core.inputs]

    def _read_x(self, x: Any) -> Array:
        if self.states is None:
            array = real_array(x, "x", shape=("n", *self.shape), images=True)
            return array.reshape(len(array), -1)
        array = np.asarray(x)
        if array.dtype.kind not in "iu":
            raise TypeError(f"x must hold integers 0..{self.states} ({self.states}: the mask), got dtype {array.dtype}")
        array = real_array(array, "x", shape=("n", *self.shape), dtype=np.int64)
        if array.min() < 0 or array.max() > self.states:
            raise ValueError(
                f"x must be in 0..{self.states} ({self.states}: the mask), got {array.min()}..{array.max()}"
            )
        return np.eye(self.states + 1, dtype=np.float32)[array].reshape(len(array), -1)

    # ---- as an object

    def summary(self) -> str:
        """Return a table of the layers: name, shape of each parameter, numbers; at the end the total."""
        layers: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        for name, shape, _, size in self._core.parameters:
            layer, _, kind = name.rpartition(".")
            layers.setdefault(layer, []).append(f"{kind} {' x '.join(map(str, shape))}")
            sizes[layer] = sizes.get(layer, 0) + size
        width = max(map(len, layers))
        lines = [f"{layer:{width}}  {sizes[layer]:>11,}  {', '.join(kinds)}" for layer, kinds in layers.items()]
        total = f"{'total':{width}}  {self.num_parameters:>11,}  {4 * self.num_parameters / 2**20:.1f} MB, float32"
        return "\n".join([repr(self), *lines, total])

    def _arguments(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        """Return the constructor call, without arguments that have their default."""
        default = {f.name: f.default for f in fields(self)}  # type: ignore[arg-type]
        own = {k: v for k, v in self._arguments().items() if default[k] is MISSING or v != default[k]}
        words = [
            _written(v) if k == "shape" else f"{k}={_written(v) if k == 'out' else repr(v)}" for k, v in own.items()
        ]
        return f"{type(self).__name__}({', '.join(words)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Network)
        return self._arguments() == other._arguments() and np.array_equal(self._theta, other._theta)

    __hash__ = None  # type: ignore[assignment]  # theta can change

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._arguments(), self._theta)


def _rebuild(kind: type[Network], arguments: Mapping[str, Any], theta: Array) -> Network:
    net = kind(**arguments)
    net.theta = theta
    return net


@dataclass(eq=False, repr=False)
class MLP(Network):
    """y = W_D act(... act(W_0 [x, sinusoid(c_noise)] + class vector + W_c condition)): for points and small vectors.

    shape : of one x, an int or a tuple; larger shapes are flattened.
    widths : of the hidden layers; () is the affine map of x, which does not hear c_noise.
    classes : number of labels.   condition : (K,), a vector that joins the first layer.
    out : shape of one y, an int or a tuple; None: that of x.
    states : K, for integers 0..K - 1 (and K, the mask) as x and K logits for each as y.
    activation : "silu", "gelu", "tanh", "relu" or "identity".   seed : of the first parameters.

    >>> MLP(2, widths=(64, 64)).num_parameters
    8514
    """

    shape: Any
    widths: Any = (128, 128, 128)
    _: KW_ONLY
    classes: Any = None
    condition: Any = None
    out: Any = None
    states: Any = None
    activation: str = "silu"
    seed: int = 0

    def __post_init__(self) -> None:
        self.shape = _shape(self.shape, "shape", 1, 3)
        self.widths = _sizes(self.widths, "widths", least=1, empty=True)
        self.classes = _optional(self.classes, "classes")
        self.condition = None if self.condition is None else _shape(self.condition, "condition", 1, 1)
        self.out, self.states = _outputs(self.out, self.states, 3)
        self.activation = choice(self.activation, "activation", ACTIVATIONS)
        self.seed = seed_number(self.seed)
        self._seal()

    @property
    def output_shape(self) -> Shape:
        """Shape of one y."""
        if self.states is not None:
            return (*self.shape, self.states)
        return self.shape if self.out is None else tuple(self.out)

    def _plan(self) -> Any:
        size = int(np.prod(self.shape)) * (1 if self.states is None else self.states + 1)
        return _core.mlp(
            size,
            int(np.prod(self.output_shape)),
            list(self.widths),
            classes=self.classes or 0,
            vector_channels=0 if self.condition is None else self.condition[0],
            activation=self.activation,
        )


@dataclass(eq=False, repr=False)
class UNet(Network):
    """The UNet of Ho et al. 2020 in the block structure of diffusers' UNet2DModel; images and sequences of any size.

    shape : (H, W, C), or (L, C) for a sequence, with kernels 3 x 1.
    widths : one per resolution, each half of the one before (7 -> 4).   depth : blocks per resolution.
    attention : heights (lengths) of the resolutions with self-attention; `middle_attention` adds it in the middle.
    head_channels : of one head of attention; None: one head.
    classes : number of labels.   condition : (H, W, K) joins the channels of x, (K,) the time embedding.
    out : channels of y, or its shape (H, W, K); None: those of x.
    states : K, for integers 0..K - 1 (and K, the mask) as x and K logits for each as y.
    dropout : probability in [0, 1), in training only.
    groups : of the norms, must divide every width; None: the largest power of two <= min(32, least width / 4)
    that does.
    eps : of the norms.
    shifted_downsampling : pads below and on the right only, as google's published models do.
    seed : of the first parameters.

    >>> UNet((8, 8, 1), widths=(32, 64), classes=10)(np.zeros((2, 8, 8, 1)), 500, labels=[3, None]).shape
    (2, 8, 8, 1)
    """

    shape: Any
    widths: Any = (32, 64)
    _: KW_ONLY
    depth: int = 2
    attention: Any = ()
    head_channels: Any = None
    middle_attention: bool = True
    classes: Any = None
    condition: Any = None
    text: Any = None
    out: Any = None
    states: Any = None
    dropout: float = 0.0
    groups: Any = None
    eps: float = 1e-5
    shifted_downsampling: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        self.shape = _shape(self.shape, "shape", 2, 3)
        self.widths = _sizes(self.widths, "widths", least=2)
        self.depth = integer(self.depth, "depth", 1, 64)
        self.attention = _sizes(self.attention, "attention", least=1, empty=True)
        self.head_channels = _optional(self.head_channels, "head_channels")
        self.groups = _optional(self.groups, "groups")
        self.classes = _optional(self.classes, "classes")
        self.condition = self._checked_condition()
        if self.text is not None:
            raise ValueError("text= is not available in this version; give captions as labels or as a condition vector")
        self.out, self.states = _outputs(self.out, self.states, len(self.shape))
        self.dropout = number(self.dropout, "dropout", 0, 1, open_high=True)
        self.eps = number(self.eps, "eps", 0, open_low=True)
        self.middle_attention = _flag(self.middle_attention, "middle_attention")
        self.shifted_downsampling = _flag(self.shifted_downsampling, "shifted_downsampling")
        self.seed = seed_number(self.seed)
        self._check_output()
        self._seal()

    @property
    def output_shape(self) -> Shape:
        """Shape of one y."""
        if self.states is not None:
            return (*self.shape, self.states)
        return self.shape if self.out is None else (*self.shape[:-1], self.out[-1])

    def _checked_condition(self) -> Shape | None:
        if self.condition is None:
            return None
        shape = _shape(self.condition, "condition", 1, 3)
        if len(shape) > 1 and shape[:-1] != self.shape[:-1]:
            places = ", ".join(map(str, self.shape[:-1]))
            raise ValueError(
                f"condition must have shape (K,) or ({places}, K), got {shape}; resize it to the shape of x"
            )
        return shape

    def _check_output(self) -> None:
        if self.out is not None and len(self.out) > 1 and self.out[:-1] != self.shape[:-1]:
            raise ValueError(
                f"out must be a number of channels or like shape {self.shape} but for the last, got {self.out}"
            )

    def _plan(self) -> Any:
        height, width, channels = _image(self.shape)
        condition = self.condition or (0,)
        return _core.unet(
            (channels * (1 if self.states is None else self.states + 1), height, width),
            list(self.widths),
            depth=self.depth,
            attention=list(self.attention),
            middle_attention=self.middle_attention,
            head_channels=self.head_channels or 0,
            groups=self.groups or 0,
            eps=self.eps,
            classes=self.classes or 0,
            image_channels=condition[-1] if len(condition) > 1 else 0,
            vector_channels=condition[0] if len(condition) == 1 else 0,
            out_channels=channels * self.states if self.states is not None else self.output_shape[-1],
            shifted_downsampling=self.shifted_downsampling,
            dropout=self.dropout,
        )


@dataclass(eq=False, repr=False)
class Encoder(Network):
    """The UNet's down half, halved further to one position, then a linear layer: for classifiers. It hears c_noise too.

    shape : (H, W, C), or (L, C) for a sequence.   widths : one per resolution.
    out : shape of one y, an int or a tuple; for a classifier the number of classes.   seed : of the first parameters.

    >>> Encoder((8, 8, 1), widths=(32, 64), out=10)(np.zeros((2, 8, 8, 1))).shape
    (2, 10)
    """

    shape: Any
    widths: Any
    _: KW_ONLY
    out: Any
    seed: int = 0

    def __post_init__(self) -> None:
        self.shape = _shape(self.shape, "shape", 2, 3)
        self.widths = _sizes(self.widths, "widths", least=2)
        self.out = _shape(self.out, "out", 1, 3)
        self.seed = seed_number(self.seed)
        self._seal()

    @property
    def output_shape(self) -> Shape:
        """Shape of one y."""
        return tuple(self.out)

    def _plan(self) -> Any:
        height, width, channels = _image(self.shape)
        return _core.encoder((channels, height, width), list(self.widths), out=int(np.prod(self.out)))


# ---- arguments


def _shape(value: object, name: str, least: int, most: int) -> Shape:
    shape = _sizes(value, name, least=1)
    if not least <= len(shape) <= most:
        forms = {1: "(D,)", 2: "(L, C)", 3: "(H, W, C)"}
        allowed = " or ".join(forms[k] for k in range(least, most + 1))
        raise ValueError(f"{name} must be {allowed}, got {shape}")
    return shape


def _written(shape: Shape) -> str:
    return repr(shape[0] if len(shape) == 1 else shape)


def _sizes(value: object, name: str, *, least: int, empty: bool = False) -> Shape:
    if isinstance(value, int | np.integer):
        value = (value,)
    if isinstance(value, str | bytes) or not np.iterable(value):
        raise TypeError(f"{name} must be an integer or a tuple of them, got {value!r}")
    sizes = tuple(integer(v, f"every entry of {name}", least, LONGEST) for v in value)
    if not sizes and not empty:
        raise ValueError(f"{name} must have at least one entry")
    return sizes


def _optional(value: object, name: str) -> int | None:
    return None if value is None else integer(value, name, 1, LONGEST)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _outputs(out: object, states: object, most: int) -> tuple[Shape | None, int | None]:
    if out is not None and states is not None:
        raise ValueError("give out or states, not both: with states=K the output is K logits for each integer of x")
    return None if out is None else _shape(out, "out", 1, most), _optional(states, "states")


def _image(shape: Shape) -> tuple[int, int, int]:
    """(height, width, channels); a sequence is an image one position wide."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (shape[0], shape[1], shape[2])


def _per_row(value: npt.ArrayLike, name: str, n: int) -> Array:
    array = real_array(value, name)
    if array.ndim == 0:
        return np.full((n, 1), array, np.float32)
    if array.shape != (n,):
        raise ValueError(f"{name} must be a number or have shape ({n},), got {array.shape}")
    return array.reshape(n, 1)
