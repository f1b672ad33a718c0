"""The networks of the comparison; no PyTorch is imported until it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import scorefield as sf
from scorefield._arrays import Array

if TYPE_CHECKING:
    from torch import nn


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

    def net(self, seed: int = 0) -> sf.UNet:
        return sf.UNet(
            (self.size, self.size, self.channels),
            widths=self.widths,
            attention=self.attention,
            head_channels=self.head_channels,
            groups=8,
            seed=seed,
        )

    def ours(self, engine: str) -> sf.Diffusion:
        return sf.Diffusion(self.net(), sf.schedules.Linear(1000), engine=engine)

    def theirs(self) -> nn.Module:
        from benchmarks import peer

        return peer.UNet(self.size, self.channels, self.widths, self.attention, self.head_channels, groups=8)

    def data(self) -> Array:
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

    def net(self, seed: int = 0) -> sf.MLP:
        return sf.MLP(2, widths=(self.width,) * self.depth, seed=seed)

    def ours(self, engine: str) -> sf.Diffusion:
        return sf.Diffusion(self.net(), sf.schedules.Linear(1000), engine=engine)

    def theirs(self) -> nn.Module:
        from benchmarks import peer

        return peer.MLP(2, (self.width,) * self.depth)

    def data(self) -> Array:
        return sf.normal((self.batch, 2), seed=1)


Case = UNetCase | MLPCase
UNETS = (
    UNetCase(8, 1, (32, 64), (8, 4), 64),
    UNetCase(16, 1, (32, 64, 64), (8, 4), 64),
    UNetCase(28, 1, (32, 64, 64), (7,), 64),
    UNetCase(32, 3, (32, 64, 64), (8,), 64),
    UNetCase(32, 3, (64, 128, 128), (8,), 32, head_channels=32),
)
MLPS = (MLPCase(256, 128, 3), MLPCase(1024, 128, 4), MLPCase(4096, 256, 4), MLPCase(4096, 512, 6))
LOOPS = (MLPCase(256, 128, 3), MLPCase(32, 64, 3))


def find(name: str) -> Case:
    """The case of a name. KeyError if there is none."""
    return {case.name: case for case in (*UNETS, *MLPS, *LOOPS)}[name]
