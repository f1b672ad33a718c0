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

WIDEST = 65_536
DEEPEST = 64
LEVELS = 16


def unet_arguments(s: Settings) -> dict[str, Any]:
    """Return the arguments of the `UNet` that a config.json describes; FormatError names the key that has no such."""
    _require_plain(s)
    widths = tuple(s.list_of("block_out_channels", int, LEVELS))
    attends, residual = _blocks(s, len(widths))
    height, width = _size(s, len(widths))
    channels, out = s.get("in_channels", int), s.get("out_channels", int)
    heads = s.get("attention_head_dim", (int, NOTHING))
    arguments = {
        "shape": (height, width, channels),
        "widths": widths,
        "depth": s.get("layers_per_block", int),
        "attention": tuple(height >> i for i, attention in enumerate(attends) if attention),
        "head_channels": heads,
        "middle_attention": s.get("add_attention", bool),
        "classes": s.get("num_class_embeds", (int, NOTHING)),
        "out": None if out == channels else (height, width, out),
        "dropout": s.get("dropout", NUMBER),
        "groups": s.get("norm_num_groups", int),
        "eps": s.get("norm_eps", NUMBER),
        "shifted_downsampling": not residual and s.choice("downsample_padding", {0: True, 1: False}),
        "residual_resampling": residual,
        "scale_shift": s.choice("resnet_time_scale_shift", {"default": False, "scale_shift": True}),
        "frequency_shift": s.get("freq_shift", int),
        "cosine_first": s.get("flip_sin_to_cos", bool),
        "middle_scale": s.get("mid_block_scale_factor", NUMBER),
    }
    _require_middle_norm(s, arguments)
    _require_bounds(s)
    return arguments


def unet_config(net: Network) -> dict[str, Any]:
    """Return the config.json of a `UNet`; ValueError for what UNet2DModel cannot be."""
    if not isinstance(net, UNet):
        raise ValueError(f"only a UNet can be a UNet2DModel, this network is a {type(net).__name__}")
    _require_image_network(net)
    height, width, channels = net.shape
    heights = [height >> i for i in range(len(net.widths))]
    attends = [h in net.attention for h in heights]
    kind = RESNET if net.residual_resampling else CONV
    plain = ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D") if kind == RESNET else ("DownBlock2D", "UpBlock2D")
    groups = net._groups
    return {
        **DEFAULTS,
        "sample_size": height if height == width else [height, width],
        "in_channels": channels,
        "out_channels": net.output_shape[-1],
        "block_out_channels": list(net.widths),
        "down_block_types": ["AttnDownBlock2D" if attention else plain[0] for attention in attends],
        "up_block_types": ["AttnUpBlock2D" if attention else plain[1] for attention in reversed(attends)],
        "layers_per_block": net.depth,
        "downsample_type": kind,
        "upsample_type": kind,
        "attention_head_dim": net.head_channels,
        "add_attention": net.middle_attention,
        "num_class_embeds": net.classes,
        "dropout": net.dropout,
        "norm_num_groups": groups,
        "attn_norm_num_groups": groups if net.scale_shift else None,
        "norm_eps": net.eps,
        "downsample_padding": 0 if net.shifted_downsampling else 1,
        "resnet_time_scale_shift": "scale_shift" if net.scale_shift else "default",
        "freq_shift": net.frequency_shift,
        "flip_sin_to_cos": net.cosine_first,
        "mid_block_scale_factor": net.middle_scale,
    }


def _require_plain(s: Settings) -> None:
    """Refuse the variants that our UNet has not."""
    s.choice("center_input_sample", {False: None})
    s.choice("time_embedding_type", {"positional": None})
    s.choice("mid_block_type", {"UNetMidBlock2D": None, "UNetResMidBlock2D": None})
    s.choice("act_fn", {"silu": None, "swish": None})
    s.choice("class_embed_type", {None: None})
    first = (s.list_of("block_out_channels", int, LEVELS) or [0])[0]
    s.choice("time_embedding_dim", {None: None, 4 * first: None})


def _require_middle_norm(s: Settings, arguments: dict[str, Any]) -> None:
    """The norm of the middle attention: ours has that of all others, theirs may lack it or have its own groups."""
    if not arguments["middle_attention"]:
        return
    groups = arguments["groups"]
    allowed = {groups: None} if arguments["scale_shift"] else {None: None, groups: None}
    s.choice("attn_norm_num_groups", allowed)


def _require_bounds(s: Settings) -> None:
    for name in ("in_channels", "out_channels", "norm_num_groups", "num_class_embeds", "attention_head_dim"):
        value = s.get(name, (int, NOTHING))
        if value is not None and not 1 <= value <= WIDEST:
            s.fail(name, f"expected 1..{WIDEST}, got {value}")
    if not 1 <= s.get("layers_per_block", int) <= DEEPEST:
        s.fail("layers_per_block", f"expected 1..{DEEPEST}, got {s.get('layers_per_block', int)}")
    if any(not 1 <= width <= WIDEST for width in s.list_of("block_out_channels", int, LEVELS)):
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


def _blocks(s: Settings, levels: int) -> tuple[list[bool], bool]:
    """Return for each level whether it has attention, and whether resolution changes inside residual blocks."""
    down = [_block(s, "down_block_types", name, DOWN) for name in s.list_of("down_block_types", str, LEVELS)]
    up = [_block(s, "up_block_types", name, UP) for name in s.list_of("up_block_types", str, LEVELS)]
    for name, blocks in (("down_block_types", down), ("up_block_types", up)):
        if len(blocks) != levels or levels == 0:
            s.fail(name, f"expected one block for each of {levels} entries of block_out_channels, got {len(blocks)}")
    attends = [attention for attention, _ in down]
    if attends != [attention for attention, _ in reversed(up)]:
        s.fail("up_block_types", "attention at other resolutions than down_block_types has it is not supported")
    return attends, _residual(s, down, up)


def _block(s: Settings, key: str, name: str, known: dict[str, Any]) -> tuple[bool, str | None]:
    short = name.removeprefix(OLD_PREFIX)
    if short not in known:
        s.fail(key, f"{name!r:.80} is not supported; supported: {', '.join(known)}")
    attention, resampling = known[short]
    return attention, resampling


def _residual(s: Settings, down: list[Any], up: list[Any]) -> bool:
    """Return how resolution changes, which must be the same everywhere; the last block of a half changes none."""
    options = {CONV: CONV, RESNET: RESNET, None: CONV}
    kinds = {kind or s.choice("downsample_type", options) for _, kind in down[:-1]}
    kinds |= {kind or s.choice("upsample_type", options) for _, kind in up[:-1]}
    if len(kinds) > 1:
        s.fail("downsample_type, upsample_type", "both conv and resnet in one network are not supported")
    return kinds == {RESNET}


def _require_image_network(net: UNet) -> None:
    part = 1 << (len(net.widths) - 1)
    if len(net.shape) != 3:
        raise ValueError(f"UNet2DModel is for images (H, W, C); this UNet is for sequences {net.shape}")
    if any(size % part for size in net.shape[:2]):
        raise ValueError(
            f"UNet2DModel halves {len(net.widths) - 1} times without rounding, so height and width must be multiples "
            f"of {part}, got {net.shape[:2]}"
        )
    for name in ("condition", "text", "states"):
        if getattr(net, name) is not None:
            raise ValueError(
                f"UNet2DModel has nothing like {name}={getattr(net, name)!r}; save the model with its own save"
            )
