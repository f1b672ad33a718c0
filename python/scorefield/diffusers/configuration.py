"""UNet2DModel's config.json as arguments of `UNet`, and back.

Every key is either taken over, or has one value that means what our UNet does, or is refused by its name.
"""

from __future__ import annotations

from typing import Any

from scorefield.diffusers.settings import NOTHING, NUMBER, Settings
from scorefield.networks import Network, UNet

DEFAULTS: dict[str, Any] = {  # what an absent key means
    "sample_size": None,
    "in_channels": 3,
    "out_channels": 3,
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896],
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "dropout": 0.0,
    "act_fn": "silu",
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
    "num_class_embeds": None,
    "num_train_timesteps": None,
}
CONV, RESNET = "conv", "resnet"
DOWN = {"DownBlock2D": (False, CONV), "AttnDownBlock2D": (True, None), "ResnetDownsampleBlock2D": (False, RESNET)}
UP = {"UpBlock2D": (False, CONV), "AttnUpBlock2D": (True, None), "ResnetUpsampleBlock2D": (False, RESNET)}
OLD_PREFIX = "UNetRes"  # of block names before version 0.1
ACTIVATIONS = {"silu": "silu", "swish": "silu", "mish": "mish", "gelu": "gelu", "relu": "relu"}
TIMES = {"positional": "sinusoid", "fourier": "fourier", "learned": None}  # None: a table
CONDITIONS = {None: "linear", "timestep": "sinusoid", "identity": "identity"}
MIDDLES = {"UNetMidBlock2D": True, "UNetResMidBlock2D": True, None: False}

WIDEST = 65_536
DEEPEST = 64
LEVELS = 16
LONGEST_TABLE = 1_000_000


def unet_arguments(s: Settings, *, learned_variance: bool) -> dict[str, Any]:
    """Return the arguments of the `UNet` that a config.json describes; FormatError names the key that has no such.

    learned_variance : half of the output is the variance of the steps.
    """
    _require_bounds(s)
    widths = tuple(s.list_of("block_out_channels", int, LEVELS))
    size = _size(s, len(widths))
    return {
        "widths": widths,
        "depth": s.get("layers_per_block", int),
        "head_channels": s.get("attention_head_dim", (int, NOTHING)),
        "activation": s.choice("act_fn", ACTIVATIONS),
        "dropout": s.get("dropout", NUMBER),
        "groups": s.get("norm_num_groups", int),
        "eps": s.get("norm_eps", NUMBER),
        "scale_shift": s.choice("resnet_time_scale_shift", {"default": False, "scale_shift": True}),
        "centred": s.get("center_input_sample", bool),
        **_channels(s, size, learned_variance),
        **_blocks(s, size[0], len(widths)),
        **_middle(s),
        **_time(s, widths[0]),
    }


def has_twice_the_channels(s: Settings) -> bool:
    """Tell whether more comes out than goes in, as with a learned variance."""
    return bool(s.get("out_channels", int) == 2 * s.get("in_channels", int))


def unet_config(net: Network) -> dict[str, Any]:
    """Return the config.json of a `UNet`; ValueError for what UNet2DModel cannot be."""
    if not isinstance(net, UNet):
        raise ValueError(f"only a UNet can be a UNet2DModel, this network is a {type(net).__name__}")
    _require_image_network(net)
    height, width, channels = net.shape
    joined = net.condition[-1] if net.condition is not None and len(net.condition) > 1 else 0
    names = {ours: theirs for theirs, ours in CONDITIONS.items()}
    return {
        **DEFAULTS,
        "sample_size": height if height == width else [height, width],
        "in_channels": channels + joined,
        "out_channels": net.output_shape[-1],
        "center_input_sample": net.centred,
        "block_out_channels": list(net.widths),
        "layers_per_block": net.depth,
        "attention_head_dim": net.head_channels,
        "class_embed_type": names[net.condition_embedding],
        "num_class_embeds": net.classes,
        "dropout": net.dropout,
        "act_fn": net.activation,
        "norm_num_groups": net._groups,
        "norm_eps": net.eps,
        "resnet_time_scale_shift": "scale_shift" if net.scale_shift else "default",
        **_blocks_of(net),
        **_middle_of(net),
        **_time_of(net),
    }


def _channels(s: Settings, size: tuple[int, int], learned_variance: bool) -> dict[str, Any]:
    """Return what goes in and out: of more channels in than out, the last are an image that joins x."""
    inside, outside = s.get("in_channels", int), s.get("out_channels", int)
    channels = outside // 2 if learned_variance else outside
    if not 1 <= channels <= inside or (learned_variance and outside % 2):
        s.fail(
            "out_channels",
            f"{outside} with {inside} in_channels: a model predicts as many channels as x has (more come in where an "
            'image joins x), twice as many if its scheduler has variance_type "learned_range"',
        )
    joining = s.choice("class_embed_type", CONDITIONS)
    image = (*size, inside - channels) if inside > channels else None
    if image is not None and joining != "linear":
        s.fail("class_embed_type", "beside an image that joins x (in_channels) is not supported: a network has one")
    numbers = {"linear": image, "sinusoid": (1,), "identity": (_time_width(s),)}
    return {
        "shape": (*size, channels),
        "out": (*size, outside) if learned_variance else None,
        "condition": numbers[joining],
        "condition_embedding": joining,
        "classes": s.get("num_class_embeds", (int, NOTHING)) if joining == "linear" else None,
    }


def _time_width(s: Settings) -> int:
    first: int = s.list_of("block_out_channels", int, LEVELS)[0]
    return s.get("time_embedding_dim", (int, NOTHING)) or 4 * first


def _time(s: Settings, first: int) -> dict[str, Any]:
    width = _time_width(s)
    return {
        "time_embedding": s.choice("time_embedding_type", TIMES) or s.get("num_train_timesteps", int),
        "time_width": None if width == 4 * first else width,
        "frequency_shift": s.get("freq_shift", int),
        "cosine_first": s.get("flip_sin_to_cos", bool),
    }


def _time_of(net: UNet) -> dict[str, Any]:
    names = {ours: theirs for theirs, ours in TIMES.items()}
    table = not isinstance(net.time_embedding, str)
    return {
        "time_embedding_type": names[None if table else net.time_embedding],
        "num_train_timesteps": net.time_embedding if table else None,
        "time_embedding_dim": net.time_width,
        "freq_shift": net.frequency_shift,
        "flip_sin_to_cos": net.cosine_first,
    }


def _middle(s: Settings) -> dict[str, Any]:
    """The norm of the middle attention has groups of its own, or those of the rest, or, with scale_shift, is none."""
    middle, attention = s.choice("mid_block_type", MIDDLES), s.get("add_attention", bool)
    groups, default = s.get("attn_norm_num_groups", (int, NOTHING)), s.get("norm_num_groups", int)
    if groups is None and s.choice("resnet_time_scale_shift", {"default": False, "scale_shift": True}):
        groups = 0
    return {
        "middle": middle,
        "middle_attention": attention,
        "middle_groups": groups if middle and attention and groups != default else None,
        "middle_scale": s.get("mid_block_scale_factor", NUMBER),
    }


def _middle_of(net: UNet) -> dict[str, Any]:
    groups = net.middle_groups
    if groups == 0 and not net.scale_shift:
        raise ValueError("UNet2DModel has an attention without norm (middle_groups=0) only with scale_shift=True")
    if groups is None:
        groups = net._groups if net.scale_shift else 0
    return {
        "mid_block_type": "UNetMidBlock2D" if net.middle else None,
        "add_attention": net.middle_attention,
        "attn_norm_num_groups": groups or None,
        "mid_block_scale_factor": net.middle_scale,
    }


def _blocks(s: Settings, height: int, levels: int) -> dict[str, Any]:
    """Return where there is attention, and where resolution changes inside residual blocks."""
    down = [_block(s, "down_block_types", name, DOWN) for name in s.list_of("down_block_types", str, LEVELS)]
    up = [_block(s, "up_block_types", name, UP) for name in s.list_of("up_block_types", str, LEVELS)]
    for name, blocks in (("down_block_types", down), ("up_block_types", up)):
        if len(blocks) != levels or levels == 0:
            s.fail(name, f"expected one block for each of {levels} entries of block_out_channels, got {len(blocks)}")
    up.reverse()
    options = {CONV: CONV, RESNET: RESNET, None: CONV}
    halves = [kind or s.choice("downsample_type", options) for _, kind in down[:-1]]  # of the last level nothing
    doubles = [kind or s.choice("upsample_type", options) for _, kind in up[1:]]
    heights = [height >> i for i in range(levels)]
    residual: Any = tuple(
        tuple(h for h, kind in zip(where, kinds, strict=True) if kind == RESNET)
        for where, kinds in ((heights[:-1], halves), (heights[1:], doubles))
    )
    if len({*halves, *doubles}) < 2:
        residual = RESNET in halves
    attention = tuple(
        tuple(h for h, (attends, _) in zip(heights, blocks, strict=True) if attends) for blocks in (down, up)
    )
    return {
        "attention": attention[0] if attention[0] == attention[1] else attention,
        "residual_resampling": residual,
        "shifted_downsampling": CONV in halves and s.choice("downsample_padding", {0: True, 1: False}),
    }


def _block(s: Settings, key: str, name: str, known: dict[str, Any]) -> tuple[bool, str | None]:
    short = name.removeprefix(OLD_PREFIX)
    if short not in known:
        s.fail(key, f"{name!r:.80} is not supported; supported: {', '.join(known)}")
    attention, resampling = known[short]
    return attention, resampling


def _blocks_of(net: UNet) -> dict[str, Any]:
    heights = [net.shape[0] >> i for i in range(len(net.widths))]
    residual: Any = net.residual_resampling
    if isinstance(residual, bool):
        residual = (heights, heights) if residual else ((), ())
    words: dict[str, Any] = {"downsample_padding": 0 if net.shifted_downsampling else 1}
    sides = (("down", DOWN, heights[:-1]), ("up", UP, heights[1:]))
    for (side, types, changing), attention, inside in zip(sides, net._attention, residual, strict=True):
        kinds = [RESNET if h in inside else CONV for h in heights]
        attends = [h in attention for h in heights]
        of_attention = {kind for h, kind in zip(heights, kinds, strict=True) if h in attention and h in changing}
        if len(of_attention) > 1:
            raise ValueError(
                f"UNet2DModel changes resolution in one way in all blocks with attention ({side}sample_type); here "
                f"residual_resampling={net.residual_resampling!r}"
            )
        names = {value: name for name, value in types.items()}
        blocks = [names[True, None] if a else names[False, k] for a, k in zip(attends, kinds, strict=True)]
        words[f"{side}_block_types"] = blocks if side == "down" else blocks[::-1]
        words[f"{side}sample_type"] = next(iter(of_attention), RESNET if net.residual_resampling is True else CONV)
    return words


def _require_bounds(s: Settings) -> None:
    for name in ("in_channels", "out_channels", "norm_num_groups", "num_class_embeds", "attention_head_dim"):
        value = s.get(name, (int, NOTHING))
        if value is not None and not 1 <= value <= WIDEST:
            s.fail(name, f"expected 1..{WIDEST}, got {value}")
    for name in ("attn_norm_num_groups", "time_embedding_dim", "num_train_timesteps"):
        value = s.get(name, (int, NOTHING))
        if value is not None and not 0 <= value <= LONGEST_TABLE:
            s.fail(name, f"expected 0..{LONGEST_TABLE}, got {value}")
    if not 1 <= s.get("layers_per_block", int) <= DEEPEST:
        s.fail("layers_per_block", f"expected 1..{DEEPEST}, got {s.get('layers_per_block', int)}")
    widths = s.list_of("block_out_channels", int, LEVELS)
    if not widths or any(not 1 <= width <= WIDEST for width in widths):
        s.fail("block_out_channels", f"expected entries in 1..{WIDEST}")


def _size(s: Settings, levels: int) -> tuple[int, int]:
    """Return height and width, which every level must be able to halve."""
    value = s.get("sample_size", (int, list, NOTHING))
    if value is None:
        s.fail("sample_size", "null gives the network no shape; write the height and width that it was trained on")
    sizes = [value, value] if isinstance(value, int) else s.list_of("sample_size", int, 2)
    part = 1 << (levels - 1)
    if len(sizes) != 2 or any(not 1 <= size <= WIDEST or size % part for size in sizes):
        s.fail("sample_size", f"expected a multiple of {part} (for {levels} resolutions) or two of them, got {value}")
    return sizes[0], sizes[1]


def _require_image_network(net: UNet) -> None:
    part = 1 << (len(net.widths) - 1)
    if len(net.shape) != 3:
        raise ValueError(f"UNet2DModel is for images (H, W, C); this UNet is for sequences {net.shape}")
    if any(size % part for size in net.shape[:2]):
        raise ValueError(
            f"UNet2DModel halves {len(net.widths) - 1} times without rounding, so height and width must be multiples "
            f"of {part}, got {net.shape[:2]}"
        )
    vector = net.condition is not None and len(net.condition) == 1
    has_no_word = {
        "text": net.text is not None,
        "states": net.states is not None,
        "condition": vector and net.condition_embedding == "linear",
        "classes": vector and net.classes is not None,  # theirs has one of the two
        "activation": net.activation not in ACTIVATIONS,
    }
    for name, refused in has_no_word.items():
        if refused:
            raise ValueError(
                f"UNet2DModel has nothing like {name}={getattr(net, name)!r}; save the model with its own save"
            )
