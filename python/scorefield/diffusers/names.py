"""Names and shapes of parameters: UNet2DModel's are ours, but for what older files call them.

Source: the structure of diffusers' UNet2DModel; older files name the matrices of attention after their roles.
"""

from __future__ import annotations

import re

OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD = re.compile(r"(.*\battentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)")
_DUPLICATE = re.compile(r".*\.(down|up)samplers\.\d+\.Conv2d_0\.(weight|bias)")


def modern(name: str) -> str | None:
    """Return what a parameter is called today; None for a duplicate that stands beside the real one.

    >>> modern("mid_block.attentions.0.proj_attn.weight")
    'mid_block.attentions.0.to_out.0.weight'
    """
    if _DUPLICATE.fullmatch(name):
        return None
    old = _OLD.fullmatch(name)
    return name if old is None else f"{old[1]}.{OLD_ATTENTION[old[2]]}.{old[3]}"


def their_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a parameter in their files: a 1 x 1 convolution, our matrix, has four axes there.

    >>> their_shape("up_blocks.0.resnets.0.conv_shortcut.weight", (8, 16))
    (8, 16, 1, 1)
    """
    return (*shape, 1, 1) if name.endswith(".conv_shortcut.weight") else tuple(shape)


def same_shape(found: tuple[int, ...], ours: tuple[int, ...]) -> bool:
    """Tell whether a file's shape is ours, but for ones at the end of a matrix.

    >>> same_shape((8, 16, 1, 1), (8, 16)), same_shape((8, 16, 3, 3), (8, 16))
    (True, False)
    """
    extra = found[len(ours) :]
    return found[: len(ours)] == ours and all(size == 1 for size in extra) and (not extra or len(ours) == 2)
