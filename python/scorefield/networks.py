"""Networks: MLP, UNet and Encoder, functions (x, c_noise, condition) -> y with hand-written derivatives.

A network knows nothing of diffusion. Its shape and its parts are fixed when it is made; only `theta` changes.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from scorefield import _core
from scorefield._arrays import choice, integer, number, seed_number
from scorefield.network import Network, Shape, Tape

__all__ = ["MLP", "Encoder", "Network", "Tape", "UNet"]

ACTIVATIONS = ("silu", "gelu", "tanh", "relu", "mish", "identity")
JOININGS = ("linear", "sinusoid", "identity")
LONGEST = 2**24  # of one axis
FLAGS = ("middle", "middle_attention", "shifted_downsampling", "scale_shift", "cosine_first", "centred")


@dataclass(eq=False, repr=False)
class MLP(Network):
    """y = W_D act(... act(W_0 [x, sinusoid(c_noise)] + class vector + W_c condition)): for points and small vectors.

    shape : of one x, an int or a tuple; larger shapes are flattened.
    widths : of the hidden layers; () is the affine map of x, which does not hear c_noise.
    classes : number of labels.   condition : (K,), a vector that joins the first layer.
    out : shape of one y, an int or a tuple; None: that of x.
    states : K, for integers 0..K - 1 (and K, the mask) as x and K logits for each as y.
    activation : "silu", "gelu", "tanh", "relu", "mish" or "identity".   seed : of the first parameters.

    >>> MLP(2, widths=(64, 64)).num_parameters
    8578
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
    attention : heights (lengths) of the resolutions with self-attention, or two tuples of them, for the way down and
    the way up; `middle_attention` adds it in the middle.
    middle : whether there are blocks between the way down and the way up.
    head_channels : of one head of attention; None: one head.
    classes : number of labels.   condition : (H, W, K) joins the channels of x, (K,) the time embedding.
    condition_embedding : how (K,) joins it: "linear", through a linear map; "sinusoid", K = 1, a number that is heard
    as c_noise is, with layers of its own; "identity", K = time_width, added as it is.
    out : channels of y, or its shape (H, W, K); None: those of x.
    states : K, for integers 0..K - 1 (and K, the mask) as x and K logits for each as y.
    dropout : probability in [0, 1), in training only.
    groups : of the norms, must divide every width; None: the largest power of two <= min(32, least width / 4)
    that does.   middle_groups : of the norm of the attention in the middle; None: groups; 0: no norm.
    eps : of the norms.   activation : of the blocks: "silu", "gelu", "tanh", "relu", "mish" or "identity".
    shifted_downsampling : pads below and on the right only, as google's published models do.
    residual_resampling : changes of resolution inside residual blocks (Song et al. 2021) instead of by convolutions:
    everywhere (True), or where it changes from these heights: two tuples of them, for the way down and the way up.
    scale_shift : time scales and shifts the second norm of each block (Dhariwal and Nichol 2021), instead of being
    added.
    frequency_shift, cosine_first : of the time embedding, with 2 h = widths[0] channels: its frequencies are
    10000^(-k / (h - frequency_shift)), its cosines stand after its sines or before.
    time_embedding : "sinusoid"; "fourier", waves of log(c_noise) with random frequencies that learn, and y is divided
    by c_noise, for scores of networks that hear sigma (Song et al. 2021): c_noise > 0; or a number T, for a table with
    a row for each c_noise = 0..T - 1.   time_width : of the time embedding; None: 4 widths[0].
    centred : x, and an image that joins it, are in [0, 1] and enter as 2 x - 1.
    middle_scale : what the residual sums of the middle are divided by (NCSN++: the root of 2).
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
    middle: bool = True
    middle_attention: bool = True
    classes: Any = None
    condition: Any = None
    condition_embedding: str = "linear"
    text: Any = None
    out: Any = None
    states: Any = None
    dropout: float = 0.0
    groups: Any = None
    middle_groups: Any = None
    eps: float = 1e-5
    activation: str = "silu"
    shifted_downsampling: bool = False
    residual_resampling: Any = False
    scale_shift: bool = False
    frequency_shift: int = 0
    cosine_first: bool = False
    time_embedding: Any = "sinusoid"
    time_width: Any = None
    middle_scale: float = 1.0
    centred: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        self.shape = _shape(self.shape, "shape", 2, 3)
        self.widths = _sizes(self.widths, "widths", least=2)
        self.depth = integer(self.depth, "depth", 1, 64)
        self.attention = _places(self.attention, "attention")
        self.residual_resampling = _changes(self.residual_resampling)
        self.head_channels = _optional(self.head_channels, "head_channels")
        self.groups = _optional(self.groups, "groups")
        self.classes = _optional(self.classes, "classes")
        self.condition = self._checked_condition()
        if self.text is not None:
            raise ValueError("text= is not available in this version; give captions as labels or as a condition vector")
        self.out, self.states = _outputs(self.out, self.states, len(self.shape))
        self.dropout = number(self.dropout, "dropout", 0, 1, open_high=True)
        self.eps = number(self.eps, "eps", 0, open_low=True)
        for name in FLAGS:
            setattr(self, name, _flag(getattr(self, name), name))
        self.frequency_shift = integer(self.frequency_shift, "frequency_shift", 0, self.widths[0] // 2 - 1)
        self.middle_scale = number(self.middle_scale, "middle_scale", 0, open_low=True)
        if self.middle_groups is not None:
            self.middle_groups = integer(self.middle_groups, "middle_groups", 0, LONGEST)
        self.activation = choice(self.activation, "activation", ACTIVATIONS)
        self.time_embedding = _time_embedding(self.time_embedding)
        self.time_width = _optional(self.time_width, "time_width")
        self.condition_embedding = self._checked_joining()
        self.seed = seed_number(self.seed)
        self._check_output()
        self._seal()

    @property
    def output_shape(self) -> Shape:
        """Shape of one y."""
        if self.states is not None:
            return (*self.shape, self.states)
        return self.shape if self.out is None else (*self.shape[:-1], self.out[-1])

    @property
    def _groups(self) -> int:
        """The groups of the norms, the default one found out."""
        return int(self.groups or _core.default_groups(list(self.widths)))

    @property
    def _time_width(self) -> int:
        return int(self.time_width or 4 * self.widths[0])

    @property
    def _attention(self) -> tuple[Shape, Shape]:
        """Heights with attention on the way down and on the way up."""
        return self.attention if _is_pair(self.attention) else (self.attention, self.attention)

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

    def _checked_joining(self) -> str:
        name = choice(self.condition_embedding, "condition_embedding", JOININGS)
        shape = {"sinusoid": (1,), "identity": (self._time_width,)}.get(name)
        if shape is not None and self.condition != shape:
            raise ValueError(f"condition_embedding={name!r} needs condition={shape}, got {self.condition}")
        return name

    def _check_output(self) -> None:
        if self.out is not None and len(self.out) > 1 and self.out[:-1] != self.shape[:-1]:
            raise ValueError(
                f"out must be a number of channels or like shape {self.shape} but for the last, got {self.out}"
            )

    def _plan(self) -> Any:
        height, width, channels = _image(self.shape)
        spec = _core.UNetSpec((channels * (1 if self.states is None else self.states + 1), height, width), self.widths)
        for name in (
            *FLAGS,
            "depth",
            "middle_groups",
            "eps",
            "dropout",
            "frequency_shift",
            "middle_scale",
            "activation",
        ):
            setattr(spec, name, getattr(self, name))
        for name in ("head_channels", "groups", "classes", "time_width"):
            setattr(spec, name, getattr(self, name) or 0)
        spec.attention, spec.attention_up = self._attention
        spec.residual_resampling = self.residual_resampling is True
        spec.residual_down, spec.residual_up = (
            ((), ()) if isinstance(self.residual_resampling, bool) else self.residual_resampling
        )
        condition = self.condition or (0,)
        spec.image_channels = condition[-1] if len(condition) > 1 else 0
        spec.vector_channels = condition[0] if len(condition) == 1 else 0
        spec.joining = self.condition_embedding
        spec.out_channels = channels * self.states if self.states is not None else self.output_shape[-1]
        table = not isinstance(self.time_embedding, str)
        spec.time, spec.time_rows = ("table", self.time_embedding) if table else (self.time_embedding, 0)
        return _core.unet(spec)


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


def _sizes(value: object, name: str, *, least: int, empty: bool = False) -> Shape:
    if isinstance(value, int | np.integer):
        value = (value,)
    if isinstance(value, str | bytes) or not np.iterable(value):
        raise TypeError(f"{name} must be an integer or a tuple of them, got {value!r}")
    sizes = tuple(integer(v, f"every entry of {name}", least, LONGEST) for v in value)
    if not sizes and not empty:
        raise ValueError(f"{name} must have at least one entry")
    return sizes


def _is_pair(value: object) -> bool:
    """Tell whether there is something for the way down and something for the way up, not one tuple of heights."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, tuple | list) for v in value)


def _places(value: Any, name: str) -> Any:
    """Return heights, or two tuples of heights where they differ between the way down and the way up."""
    if not _is_pair(value):
        return _sizes(value, name, least=1, empty=True)
    down, up = (_sizes(part, name, least=1, empty=True) for part in value)
    return down if down == up else (down, up)


def _changes(value: Any) -> Any:
    """Return True, False, or two tuples of heights from which the resolution changes inside residual blocks."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not _is_pair(value):
        raise TypeError(
            "residual_resampling must be True, False, or two tuples of heights, for the way down and the way up, got "
            f"{value!r}"
        )
    return tuple(_sizes(part, "residual_resampling", least=1, empty=True) for part in value)


def _time_embedding(value: object) -> str | int:
    if isinstance(value, str):
        return choice(value, "time_embedding", ("sinusoid", "fourier"))
    return integer(value, "time_embedding", 1, LONGEST)


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
