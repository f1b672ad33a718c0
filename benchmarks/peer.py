"""The same networks in PyTorch: the peer of every comparison.

Structure and widths are those of `sf.UNet` and `sf.MLP` (a test compares their answers); a training step is what a
PyTorch user writes: draw times and noise, forward, backward, clip, Adam (foreach), exponential average.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import scorefield as sf
from scorefield._arrays import Array


class TimeEmbedding(nn.Module):
    """Sinusoid of the time, two linear layers."""

    frequency: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.register_buffer("frequency", torch.exp(-math.log(1e4) * torch.arange(half) / half))
        self.linear_1 = nn.Linear(channels, 4 * channels)
        self.linear_2 = nn.Linear(4 * channels, 4 * channels)

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.frequency[None]
        return self.linear_2(F.silu(self.linear_1(torch.cat([angle.sin(), angle.cos()], 1))))


class ResBlock(nn.Module):
    """Two normalised convolutions, the time embedding between them, a shortcut around."""

    def __init__(self, c_in: int, c_out: int, embedding: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, c_in), nn.GroupNorm(groups, c_out)
        self.conv1, self.conv2 = nn.Conv2d(c_in, c_out, 3, padding=1), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.time = nn.Linear(embedding, c_out)
        self.shortcut = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(e))[:, :, None, None]
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Self-attention over the positions, through PyTorch's fused kernel."""

    def __init__(self, channels: int, head_channels: int, groups: int) -> None:
        super().__init__()
        self.heads = channels // head_channels
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv, self.out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        n, c, height, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, -1).transpose(-1, -2).unbind(1)
        o = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(o.transpose(-1, -2).reshape(n, c, height, width))


class UNet(nn.Module):
    """Two ResBlocks per resolution down, three up, attention where `size` is in `attention`."""

    def __init__(
        self, size: int, channels: int, widths: Sequence[int], attention: Sequence[int], head_channels: int, groups: int
    ) -> None:
        super().__init__()
        self.time = TimeEmbedding(widths[0])
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        e, c, skips = 4 * widths[0], widths[0], [widths[0]]

        def level(c_in: int, c_out: int, at: int) -> nn.ModuleList:
            blocks: list[nn.Module] = [ResBlock(c_in, c_out, e, groups)]
            if at in attention:
                blocks.append(Attention(c_out, head_channels, groups))
            return nn.ModuleList(blocks)

        self.down = nn.ModuleList()
        for i, width in enumerate(widths):
            for _ in range(2):
                self.down.append(level(c, width, size))
                c = width
                skips.append(c)
            if i + 1 < len(widths):
                self.down.append(nn.Conv2d(c, c, 3, stride=2, padding=1))
                skips.append(c)
                size = (size + 1) // 2
        self.middle = nn.ModuleList(
            [ResBlock(c, c, e, groups), Attention(c, head_channels, groups), ResBlock(c, c, e, groups)]
        )
        self.up = nn.ModuleList()
        for i, width in reversed(list(enumerate(widths))):
            for _ in range(3):
                self.up.append(level(c + skips.pop(), width, size))
                c = width
            if i > 0:
                self.up.append(nn.Conv2d(c, c, 3, padding=1))
                size *= 2
        self.norm_out = nn.GroupNorm(groups, c)
        self.conv_out = nn.Conv2d(c, channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        e = self.time(t)
        h = self.conv_in(x)
        skips = [h]
        for part in self.down:
            h = _through(part, h, e) if isinstance(part, nn.ModuleList) else part(h)
            skips.append(h)
        h = _through(self.middle, h, e)
        for part in self.up:
            if isinstance(part, nn.ModuleList):
                h = _through(part, torch.cat([h, skips.pop()], 1), e)
            else:
                h = part(F.interpolate(h, size=skips[-1].shape[-2:], mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(h)))


def _through(blocks: nn.ModuleList, h: Tensor, e: Tensor) -> Tensor:
    for block in blocks:
        h = block(h, e)
    return h


class MLP(nn.Module):
    """Points and a sinusoid of the time through SiLU layers."""

    frequency: Tensor

    def __init__(self, features: int, widths: Sequence[int], time_channels: int = 64) -> None:
        super().__init__()
        half = time_channels // 2
        self.register_buffer("frequency", torch.exp(-math.log(1e4) * torch.arange(half) / half))
        sizes = [features + time_channels, *widths, features]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angle = t[:, None] * self.frequency[None]
        h = self.layers[0](torch.cat([x, angle.sin(), angle.cos()], 1))
        for layer in self.layers[1:]:
            h = layer(F.silu(h))
        return h


def layouts(data: Array) -> list[tuple[str, Tensor]]:
    """The data as PyTorch holds them: points as they are, images in both memory layouts."""
    x = torch.from_numpy(data)
    if x.ndim == 2:
        return [("torch", x)]
    x = x.permute(0, 3, 1, 2)
    return [("torch NCHW", x.contiguous()), ("torch NHWC", x.contiguous(memory_format=torch.channels_last))]


def as_layout(net: nn.Module, name: str) -> nn.Module:
    """The network with its filters in the layout of that name."""
    return net.to(memory_format=torch.channels_last) if name.endswith("NHWC") else net  # type: ignore[call-overload, no-any-return]


def training_step(net: nn.Module, x: Tensor) -> Callable[[], None]:
    """One step of eps-prediction on the batch x, as a callable."""
    parameters = list(net.parameters())
    adam = torch.optim.Adam(parameters, 1e-3, foreach=True)
    average = [p.detach().clone() for p in parameters]

    def step() -> None:
        t = torch.rand(len(x))
        eps = torch.randn_like(x)
        a = t.view(-1, *[1] * (x.ndim - 1))
        loss = F.mse_loss(net((1 - a) * x + a * eps, 1000 * t), eps)
        update(loss, parameters, adam)
        with torch.no_grad():
            torch._foreach_mul_(average, 0.999)
            torch._foreach_add_(average, [p.detach() for p in parameters], alpha=0.001)

    return step


def update(loss: Tensor, parameters: list[nn.Parameter], adam: torch.optim.Optimizer) -> None:
    """Backward, clip, Adam."""
    adam.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    adam.step()


def evaluation(net: nn.Module, x: Tensor) -> Callable[[], None]:
    """One network evaluation of sampling, as a callable."""

    def call() -> None:
        with torch.inference_mode():
            net(x, torch.full((len(x),), 500.0))

    return call


def ddim(net: nn.Module, x_T: Tensor, schedule: sf.schedules.Schedule, steps: int) -> Tensor:
    """A deterministic DDIM run over `steps` equal steps, coefficients looked up in lists."""
    times = [schedule.t_max * (steps - i) / steps for i in range(steps + 1)]
    alpha, sigma = schedule.alpha(times).tolist(), schedule.sigma(times).tolist()
    x, n = x_T, len(x_T)
    with torch.inference_mode():
        for i in range(steps):
            eps = net(x, torch.full((n,), times[i] - 1))
            x0 = (x - sigma[i] * eps) / alpha[i]
            x = alpha[i + 1] * x0 + sigma[i + 1] * eps
    return x
