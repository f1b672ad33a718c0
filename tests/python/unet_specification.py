"""What the UNet computes, said a second time: NumPy in float64, from the description of diffusers' UNet2DModel.

No line is shared with the library. Images are (n, C, H, W) here; parameters come by their diffusers names.
"""

import math

import numpy as np


def silu(u):
    return u / (1 + np.exp(-u))


ACTIVATIONS = {
    "silu": silu,
    "mish": lambda u: u * np.tanh(np.log1p(np.exp(u))),
    "gelu": lambda u: u * (1 + np.vectorize(math.erf)(u / np.sqrt(2))) / 2,
    "relu": lambda u: np.maximum(u, 0),
    "tanh": np.tanh,
    "identity": lambda u: u,
}


def group_norm(x, gamma, beta, groups, eps):
    n, channels = x.shape[:2]
    flat = x.reshape(n, groups, -1)
    flat = (flat - flat.mean(2, keepdims=True)) / np.sqrt(flat.var(2, keepdims=True) + eps)
    return flat.reshape(x.shape) * gamma.reshape(1, channels, 1, 1) + beta.reshape(1, channels, 1, 1)


def conv(x, weight, bias, stride=1, before=1):
    """Cross-correlation with zero padding: `before` above and on the left, what is needed below and on the right."""
    n, _, height, width = x.shape
    size = weight.shape[2]
    out_height, out_width = -(-height // stride), -(-width // stride)
    plane = np.zeros((n, x.shape[1], (out_height + 1) * stride + size, (out_width + 1) * stride + size))
    plane[:, :, before : before + height, before : before + width] = x
    y = np.zeros((n, weight.shape[0], out_height, out_width)) + bias.reshape(1, -1, 1, 1)
    for a in range(size):
        for b in range(size):
            shifted = plane[:, :, a : a + stride * out_height : stride, b : b + stride * out_width : stride]
            y += np.tensordot(weight[:, :, a, b], shifted, (1, 1)).transpose(1, 0, 2, 3)
    return y


def mean_of_four(x):
    """Means of 2 x 2; at an odd edge of those that exist."""
    n, channels, height, width = x.shape
    padded = np.full((n, channels, height + height % 2, width + width % 2), np.nan)
    padded[:, :, :height, :width] = x
    return np.nanmean(padded.reshape(n, channels, padded.shape[2] // 2, 2, padded.shape[3] // 2, 2), axis=(3, 5))


class Specification:
    """The network `net` as a NumPy function."""

    def __init__(self, net):
        self.net = net
        self.parameters = {name: p.astype(np.float64) for name, p in net.state().items()}
        self.act = ACTIVATIONS[net.activation]
        pair = net.attention and isinstance(net.attention[0], tuple)
        self.attention_down, self.attention_up = net.attention if pair else (net.attention, net.attention)
        self.groups = net.groups or max(
            g for g in (1, 2, 4, 8, 16, 32) if g <= max(1, min(net.widths) // 4) and not any(w % g for w in net.widths)
        )

    def __call__(self, x, t, labels=None, condition=None):
        t = np.broadcast_to(np.asarray(t, np.float64), len(x))
        e = self.embedding(t, labels, condition)
        x = x if self.net.condition is None or len(self.net.condition) == 1 else np.concatenate([x, condition], 3)
        h = self.conv("conv_in", (2 * x - 1 if self.net.centred else x).transpose(0, 3, 1, 2))
        skips, levels = [h], len(self.net.widths)
        for i in range(levels):
            for j in range(self.net.depth):
                h = self.block(f"down_blocks.{i}", j, h, e, self.attention_down)
                skips.append(h)
            if i + 1 < levels:
                h = self.halved(f"down_blocks.{i}.downsamplers.0", h, e)
                skips.append(h)
        h = self.middle(h, e) if self.net.middle else h
        for i in range(levels):
            for j in range(self.net.depth + 1):
                h = self.block(f"up_blocks.{i}", j, np.concatenate([h, skips.pop()], 1), e, self.attention_up)
            if i + 1 < levels:
                h = self.twice(f"up_blocks.{i}.upsamplers.0", h, e, skips[-1].shape[2:])
        y = self.conv("conv_out", silu(self.norm("conv_norm_out", h))).transpose(0, 2, 3, 1)
        return y / t[:, None, None, None] if self.net.time_embedding == "fourier" else y

    def middle(self, h, e):
        h = self.residual("mid_block.resnets.0", h, e) / self.net.middle_scale
        if self.net.middle_attention:
            h = self.attention("mid_block.attentions.0", h, self.net.middle_groups) / self.net.middle_scale
        return self.residual("mid_block.resnets.1", h, e) / self.net.middle_scale

    def waves(self, t):
        if self.net.time_embedding not in ("sinusoid", "fourier"):
            return self.parameters["time_proj.weight"][t.astype(int)]
        half = self.net.widths[0] // 2
        angle = t[:, None] * 10000.0 ** (-np.arange(half) / (half - self.net.frequency_shift))
        if self.net.time_embedding == "fourier":
            angle = 2 * np.pi * np.log(t)[:, None] * self.parameters["time_proj.weight"]
            return np.concatenate([np.sin(angle), np.cos(angle)], 1)
        odd = np.zeros((len(t), self.net.widths[0] % 2))
        waves = [np.cos(angle), np.sin(angle)] if self.net.cosine_first else [np.sin(angle), np.cos(angle)]
        return np.concatenate([*waves, odd], 1)

    def heard(self, name, number):
        return self.linear(f"{name}.linear_2", silu(self.linear(f"{name}.linear_1", self.waves(number))))

    def embedding(self, t, labels, condition):
        e = self.heard("time_embedding", t)
        if self.net.condition is not None and len(self.net.condition) == 1:
            if self.net.condition_embedding == "sinusoid":
                e = e + self.heard("class_embedding", condition[:, 0])
            elif self.net.condition_embedding == "identity":
                e = e + condition
            else:
                e = e + self.linear("condition_embedding", condition)
        if labels is not None:
            known = np.asarray([-1 if label is None else label for label in labels])
            e = e + np.where(known[:, None] < 0, 0, self.parameters["class_embedding.weight"][known])
        return e

    def linear(self, name, x):
        return x @ self.parameters[name + ".weight"].T + self.parameters[name + ".bias"]

    def conv(self, name, x, stride=1, before=1):
        return conv(x, self.parameters[name + ".weight"], self.parameters[name + ".bias"], stride, before)

    def norm(self, name, x, groups=None):
        gamma, beta = self.parameters[name + ".weight"], self.parameters[name + ".bias"]
        return group_norm(x, gamma, beta, groups or self.groups, self.net.eps)

    def block(self, level, j, x, e, heights):
        h = self.residual(f"{level}.resnets.{j}", x, e)
        return self.attention(f"{level}.attentions.{j}", h) if h.shape[2] in heights else h

    def inside(self, side, x):
        """Whether the resolution changes inside a residual block."""
        where = self.net.residual_resampling
        return where if isinstance(where, bool) else x.shape[2] in where[side]

    def halved(self, name, x, e):
        if not self.inside(0, x):
            return self.conv(name + ".conv", x, 2, 0 if self.net.shifted_downsampling else 1)
        return self.residual(name, x, e, mean_of_four)

    def twice(self, name, x, e, size):
        nearest = lambda a: a.repeat(2, 2).repeat(2, 3)[:, :, : size[0], : size[1]]  # noqa: E731
        if not self.inside(1, x):
            return self.conv(name + ".conv", nearest(x))
        return self.residual(name, x, e, nearest)

    def residual(self, name, x, e, resample=lambda a: a):
        h = self.conv(name + ".conv1", resample(self.act(self.norm(name + ".norm1", x))))
        x = resample(x)
        time = self.linear(name + ".time_emb_proj", self.act(e))[:, :, None, None]
        if self.net.scale_shift:
            scale, shift = np.split(time, 2, axis=1)
            h = self.norm(name + ".norm2", h) * (1 + scale) + shift
        else:
            h = self.norm(name + ".norm2", h + time)
        h = self.conv(name + ".conv2", self.act(h))
        if name + ".conv_shortcut.weight" not in self.parameters:
            return x + h
        tokens = self.linear(name + ".conv_shortcut", x.transpose(0, 2, 3, 1))
        return tokens.transpose(0, 3, 1, 2) + h

    def attention(self, name, x, groups=None):
        n, channels, height, width = x.shape
        normalised = x if groups == 0 else self.norm(name + ".group_norm", x, groups)
        tokens = normalised.reshape(n, channels, -1).transpose(0, 2, 1)
        size = self.net.head_channels or channels
        heads = channels // size
        q, k, v = (
            self.linear(f"{name}.to_{z}", tokens).reshape(n, -1, heads, size).transpose(0, 2, 1, 3) for z in "qkv"
        )
        weights = np.exp(q @ k.transpose(0, 1, 3, 2) / np.sqrt(size))
        weights /= weights.sum(-1, keepdims=True)
        y = self.linear(name + ".to_out.0", (weights @ v).transpose(0, 2, 1, 3).reshape(n, -1, heads * size))
        return x + y.transpose(0, 2, 1).reshape(n, channels, height, width)
