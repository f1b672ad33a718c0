"""The work that is timed: calls that do the same, ours beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import scorefield as sf
from benchmarks import peer
from benchmarks.networks import Case, MLPCase

Contenders = dict[str, Callable[[], object]]
OURS = "scorefield"
NUMBERS = 1 << 22  # 16 MB of noise
FIT = 5  # calls of PyTorch's step that one call of fit stands for: people fit hundreds of steps at once


def training(case: Case, engine: str, steps: int, compiled: bool = False) -> Contenders:
    """`steps` complete training steps in one call: noise, forward, backward, clip, Adam, average; FIT times as many in
    one call of ours, whose memory is made anew for each fit.
    """
    model, data = case.ours(engine), case.data()
    contenders: Contenders = {
        OURS: lambda: model.fit(data, steps=FIT * steps, batch_size=case.batch, every=10**9, progress=False)
    }
    for name, net, x in _torch(case, compiled):
        step = peer.training_step(net, x)
        contenders[name] = lambda step=step: [step() for _ in range(steps)]  # type: ignore[misc]
    return contenders


def evaluation(case: Case, engine: str, steps: int, compiled: bool = False) -> Contenders:
    """`steps` DDIM steps, each one network evaluation, beside as many bare evaluations of PyTorch's network."""
    model = case.ours(engine)
    x_T = case.data()
    contenders: Contenders = {OURS: lambda: model.sample(x_T=x_T, sampler="ddim", steps=steps, progress=False)}
    for name, net, x in _torch(case, compiled):
        call = peer.evaluation(net, x)
        contenders[name] = lambda call=call: [call() for _ in range(steps)]  # type: ignore[misc]
    return contenders


def loop(case: MLPCase, engine: str, steps: int) -> Contenders:
    """A whole DDIM run of many steps on few points, beside the loop that a PyTorch user writes by hand."""
    model, x_T = case.ours(engine), case.data()
    schedule, net, x = model.schedule, case.theirs(), torch.from_numpy(x_T)
    return {
        OURS: lambda: model.sample(x_T=x_T, sampler="ddim", steps=steps, progress=False),
        "torch": lambda: peer.ddim(net, x, schedule, steps),
    }


def noise(shape: tuple[int, ...]) -> Contenders:
    """A fresh array of standard normal numbers in float32, beside a fresh tensor and one that is filled again."""
    target = torch.empty(shape)
    return {
        OURS: lambda: sf.normal(shape, seed=0),
        "torch.randn": lambda: torch.randn(shape),
        "normal_": lambda: target.normal_(),
    }


def _torch(case: Case, compiled: bool) -> list[tuple[str, nn.Module, torch.Tensor]]:
    """PyTorch's network, for images in both memory layouts."""
    layouts = [(name, peer.as_layout(case.theirs(), name), x) for name, x in peer.layouts(case.data())]
    if compiled:
        layouts += [(f"{name} compiled", _compiled(net), x) for name, net, x in layouts]
    return layouts


def _compiled(net: nn.Module) -> nn.Module:
    compiled: nn.Module = torch.compile(net, dynamic=False)  # type: ignore[assignment]
    return compiled
