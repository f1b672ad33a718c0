"""What is measured: the networks of the comparison and the work done on them, ours beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

import scorefield as sf
from benchmarks import peer

Contenders = dict[str, Callable[[], object]]
OURS = "scorefield"


@dataclass(frozen=True)
class UNetCase:
    """A UNet with two blocks per resolution, heads of 16 or 32 channels, groups of 8."""

    size: int
    channels: int
    widths: tuple[int, ...]
    attention: tuple[int, ...]
    batch: int
    head_channels: int = 16

    @property
    def name(self) -> str:
        return f"UNet {self.size}x{self.size}x{self.channels} C{self.widths[0]} B{self.batch}"

    def ours(self, engine: str) -> sf.Diffusion:
        net = sf.UNet(
            (self.size, self.size, self.channels),
            widths=self.widths,
            attention=self.attention,
            head_channels=self.head_channels,
            groups=8,
        )
        return sf.Diffusion(net, sf.schedules.Linear(1000), engine=engine)

    def theirs(self) -> peer.UNet:
        return peer.UNet(self.size, self.channels, self.widths, self.attention, self.head_channels, groups=8)

    def data(self) -> np.ndarray:
        return sf.normal((self.batch, self.size, self.size, self.channels), seed=1)


@dataclass(frozen=True)
class MLPCase:
    """Points in the plane, SiLU layers, a sinusoid of 64 channels for the time."""

    batch: int
    width: int
    depth: int

    @property
    def name(self) -> str:
        return f"MLP B{self.batch} W{self.width} D{self.depth}"

    def ours(self, engine: str) -> sf.Diffusion:
        return sf.Diffusion(sf.MLP(2, widths=(self.width,) * self.depth), sf.schedules.Linear(1000), engine=engine)

    def theirs(self) -> peer.MLP:
        return peer.MLP(2, (self.width,) * self.depth)

    def data(self) -> np.ndarray:
        return sf.normal((self.batch, 2), seed=1)


UNETS = (
    UNetCase(8, 1, (32, 64), (8, 4), 64),
    UNetCase(16, 1, (32, 64, 64), (8, 4), 64),
    UNetCase(28, 1, (32, 64, 64), (7,), 64),
    UNetCase(32, 3, (32, 64, 64), (8,), 64),
    UNetCase(32, 3, (64, 128, 128), (8,), 32, head_channels=32),
)
MLPS = (MLPCase(256, 128, 3), MLPCase(1024, 128, 4), MLPCase(4096, 256, 4), MLPCase(4096, 512, 6))
Case = UNetCase | MLPCase


def training(case: Case, engine: str, steps: int) -> Contenders:
    """`steps` complete training steps in one call: noise, forward, backward, clip, Adam, average."""
    model, data = case.ours(engine), case.data()
    contenders: Contenders = {
        OURS: lambda: model.fit(data, steps=steps, batch_size=case.batch, every=10**9, progress=False)
    }
    for name, net, x in _torch(case):
        step = peer.training_step(net, x)
        contenders[name] = lambda step=step: [step() for _ in range(steps)]
    return contenders


def evaluation(case: Case, engine: str, steps: int) -> Contenders:
    """`steps` DDIM steps, each one network evaluation, beside as many bare evaluations of PyTorch's network."""
    model = case.ours(engine)
    x_T = case.data()
    contenders: Contenders = {OURS: lambda: model.sample(x_T=x_T, sampler="ddim", steps=steps, progress=False)}
    for name, net, x in _torch(case):
        call = peer.evaluation(net, x)
        contenders[name] = lambda call=call: [call() for _ in range(steps)]
    return contenders


def noise(count: int) -> Contenders:
    """Standard normal numbers in float32."""
    target = torch.empty(count)
    return {OURS: lambda: sf.normal((count // 4096, 4096), seed=0), "torch": lambda: target.normal_()}


def _torch(case: Case) -> list[tuple[str, torch.nn.Module, torch.Tensor]]:
    """PyTorch's network, for images in both memory layouts."""
    x = torch.from_numpy(case.data())
    if x.ndim == 2:
        return [("torch", case.theirs(), x)]
    x = x.permute(0, 3, 1, 2)
    last = torch.channels_last
    return [
        ("torch NCHW", case.theirs(), x.contiguous()),
        ("torch NHWC", case.theirs().to(memory_format=last), x.contiguous(memory_format=last)),
    ]
