"""The parameters of `sf.UNet` (diffusers' names) in PyTorch's network, whose modules stand in the same order."""

from __future__ import annotations

import re

import torch
from torch import nn

from benchmarks import peer
from scorefield._arrays import Array

RES_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "conv1": "conv1",
    "conv2": "conv2",
    "time": "time_emb_proj",
    "shortcut": "conv_shortcut",
}


def copy(state: dict[str, Array], net: nn.Module) -> None:
    """Write `state` (of `sf.UNet.state`) into the peer's network. Returns None; ValueError if they do not match."""
    groups = _groups(state)
    modules = [m for m in net.modules() if isinstance(m, peer.ResBlock | peer.Attention) or _alone(net, m)]
    if len(groups) != len(modules):
        raise ValueError(f"the networks differ: {len(groups)} blocks and {len(modules)} modules")
    with torch.no_grad():
        for arrays, module in zip(groups, modules, strict=True):
            _fill(arrays, module)


def _alone(net: nn.Module, module: nn.Module) -> bool:
    """True for a layer that is not a part of a block."""
    inside = {id(p) for m in net.modules() if isinstance(m, peer.ResBlock | peer.Attention) for p in m.modules()}
    return isinstance(module, nn.Conv2d | nn.Linear | nn.GroupNorm) and id(module) not in inside


def _groups(state: dict[str, Array]) -> list[dict[str, Array]]:
    """The arrays of each block, by their names within it, blocks in the order of first appearance."""
    groups: dict[str, dict[str, Array]] = {}
    for name, array in state.items():
        found = re.match(r"(.*(?:resnets|attentions)\.\d+)\.(.*)", name)
        prefix, rest = found.groups() if found else name.rsplit(".", 1)
        groups.setdefault(prefix, {})[rest] = array
    return list(groups.values())


def _fill(arrays: dict[str, Array], module: nn.Module) -> None:
    if isinstance(module, peer.ResBlock):
        for ours, name in RES_BLOCK.items():
            if f"{name}.weight" in arrays:
                _layer(getattr(module, ours), arrays[f"{name}.weight"], arrays[f"{name}.bias"])
    elif isinstance(module, peer.Attention):
        _layer(module.norm, arrays["group_norm.weight"], arrays["group_norm.bias"])
        _layer(module.out, arrays["to_out.0.weight"], arrays["to_out.0.bias"])
        for i, part in enumerate(("to_q", "to_k", "to_v")):
            rows = slice(i * module.out.in_channels, (i + 1) * module.out.in_channels)
            module.qkv.weight[rows, :, 0, 0].copy_(torch.from_numpy(arrays[f"{part}.weight"]))
            module.qkv.bias[rows].copy_(torch.from_numpy(arrays[f"{part}.bias"]))  # type: ignore[index]
    else:
        _layer(module, arrays["weight"], arrays["bias"])


def _layer(module: nn.Module, weight: Array, bias: Array) -> None:
    target = module.get_parameter("weight")
    target.copy_(torch.from_numpy(weight).reshape(target.shape))
    module.get_parameter("bias").copy_(torch.from_numpy(bias))
