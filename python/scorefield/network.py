"""What every network is: a function of (x, c_noise, condition), derivatives by hand, parameters in one flat array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from scorefield._arrays import label_array, real_array

__all__ = ["Network", "Tape"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

LARGEST = 2**31  # parameters: 8 GB of float32


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

    @classmethod
    def _count(cls, arguments: Mapping[str, Any]) -> int:
        """Return the number of parameters that cls(**arguments) would have, without making them: for files."""
        unsealed = object.__new__(cls)
        vars(unsealed)["_seal"] = lambda: None
        cls.__init__(unsealed, **arguments)
        return int(unsealed._plan().parameter_count)

    def _seal(self) -> None:
        """Make the plan and the first parameters; from here on only theta can be assigned."""
        vars(self)["_core"] = self._plan()
        if self._core.parameter_count > LARGEST:
            raise ValueError(
                f"{type(self).__name__} would have {self._core.parameter_count:,} parameters, more than {LARGEST:,}; "
                "use smaller widths"
            )
        self._keep(self._core.init(self.seed))

    def _share(self, theta: Array) -> None:
        """Take an array that nobody writes to as it is: checked like one that is assigned, but not copied."""
        self._keep(real_array(theta, "theta", shape=(self.num_parameters,)))

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


def _written(shape: Shape) -> str:
    return repr(shape[0] if len(shape) == 1 else shape)


def _per_row(value: npt.ArrayLike, name: str, n: int) -> Array:
    array = real_array(value, name)
    if array.ndim == 0:
        return np.full((n, 1), array, np.float32)
    if array.shape != (n,):
        raise ValueError(f"{name} must be a number or have shape ({n},), got {array.shape}")
    return array.reshape(n, 1)
