"""The networks of LatentSync in PyTorch, with the official checkpoint's names, for training.

The VAE is diffusers' AutoencoderKL. What the product computes from these weights is checked
against this file by `check_networks.py`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from group_norm import GroupNorm, group_norm

GROUPS = 32
HEADS = 8


def zeroed(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class VideoGroupNorm(nn.GroupNorm):
    """Group norm of `[batch*frames, C, H, W]` whose statistics span the frames of a video."""

    def forward(self, x: Tensor, frames: int = 1) -> Tensor:
        images, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(images // frames, frames * height, width, channels)
        rows = group_norm(rows.permute(0, 3, 1, 2), self)
        return rows.permute(0, 2, 3, 1).reshape(images, height, width, channels).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Multi-head attention with diffusers' names, without biases in the projections."""

    def __init__(self, channels: int, context: int | None = None):
        super().__init__()
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context or channels, channels, bias=False)
        self.to_v = nn.Linear(context or channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q, k, v = (
            layer(value).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer, value in ((self.to_q, x), (self.to_k, context), (self.to_v, context))
        )
        # Written out: on a CPU it trains faster than the fused kernel at heads this narrow.
        weights = (q @ (k.transpose(-1, -2) * q.shape[-1] ** -0.5)).softmax(-1).to(v.dtype)
        return self.to_out[0]((weights @ v).transpose(1, 2).flatten(2))


class GatedProjection(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.proj = nn.Linear(channels, channels * 8)

    def forward(self, x: Tensor) -> Tensor:
        # Two products: splitting the result of one takes longer in the backward pass.
        (value, gate), (value_bias, gate_bias) = self.proj.weight.chunk(2), self.proj.bias.chunk(2)
        return F.linear(x, value, value_bias) * F.gelu(F.linear(x, gate, gate_bias))


class FeedForward(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        layers = [GatedProjection(channels), nn.Identity(), nn.Linear(channels * 4, channels)]
        self.net = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class SpatialBlock(nn.Module):
    def __init__(self, channels: int, context: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, context)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x: Tensor, audio: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), audio)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    def __init__(self, channels: int, context: int):
        super().__init__()
        self.norm = GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(channels, context)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, audio: Tensor) -> Tensor:
        height = x.shape[2]
        rows = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            rows = block(rows, audio)
        return x + self.proj_out(rows.transpose(1, 2).unflatten(2, (height, -1)))


class FramePositions(nn.Module):
    def __init__(self, channels: int, frames: int = 24):
        super().__init__()
        position = torch.arange(frames)[:, None]
        frequency = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
        pe = torch.zeros(1, frames, channels)
        pe[0, :, 0::2] = torch.sin(position * frequency)
        pe[0, :, 1::2] = torch.cos(position * frequency)
        self.register_buffer("pe", pe)


class TemporalAttention(Attention):
    def __init__(self, channels: int):
        super().__init__(channels)
        self.pos_encoder = FramePositions(channels)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(x + self.pos_encoder.pe[:, : x.shape[1]])


class TemporalBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.attention_blocks = nn.ModuleList([TemporalAttention(channels) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(channels) for _ in range(2)])
        self.ff = FeedForward(channels)
        self.ff_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.norm = GroupNorm(GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(channels)])
        self.proj_out = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        images, channels, height, width = x.shape
        rows = self.proj_in(
            self.norm(x).permute(0, 2, 3, 1).reshape(-1, frames, height * width, channels)
        )
        rows = rows.transpose(1, 2).reshape(-1, frames, channels)
        for block in self.transformer_blocks:
            rows = block(rows)
        rows = self.proj_out(rows).reshape(-1, height * width, frames, channels).transpose(1, 2)
        return x + rows.reshape(images, height, width, channels).permute(0, 3, 1, 2)


class MotionModule(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        return self.temporal_transformer(x, frames)


class ResnetBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, time_channels: int):
        super().__init__()
        self.norm1 = VideoGroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_channels, outputs)
        self.norm2 = VideoGroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, time: Tensor, frames: int) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x, frames)))
        time = self.time_emb_proj(F.silu(time)).repeat_interleave(frames, dim=0)
        hidden = hidden + time[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden, frames)))
        return hidden + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Resampler(nn.Module):
    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)


class Block(nn.Module):
    """A level on the way down or up: resnets, each with attention and motion if it has them."""

    def __init__(
        self,
        inputs: list[int],
        channels: int,
        time_channels: int,
        context: int | None,
        motion: bool,
        resampler: str | None,
    ):
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock(n, channels, time_channels) for n in inputs])
        if context is not None:
            self.attentions = nn.ModuleList([SpatialTransformer(channels, context) for _ in inputs])
        if motion:
            self.motion_modules = nn.ModuleList([MotionModule(channels) for _ in inputs])
        if resampler is not None:
            setattr(
                self,
                resampler,
                nn.ModuleList([Resampler(channels, 2 if resampler == "downsamplers" else 1)]),
            )

    def layer(self, index: int, x: Tensor, time: Tensor, audio: Tensor, frames: int) -> Tensor:
        x = self.resnets[index](x, time, frames)
        if hasattr(self, "attentions"):
            x = self.attentions[index](x, audio)
        if hasattr(self, "motion_modules"):
            x = self.motion_modules[index](x, frames)
        return x


class MiddleBlock(nn.Module):
    def __init__(self, channels: int, time_channels: int, context: int):
        super().__init__()
        self.attentions = nn.ModuleList([SpatialTransformer(channels, context)])
        self.resnets = nn.ModuleList(
            [ResnetBlock(channels, channels, time_channels) for _ in range(2)]
        )


class TimeEmbedding(nn.Module):
    def __init__(self, inputs: int, channels: int):
        super().__init__()
        self.linear_1 = nn.Linear(inputs, channels)
        self.linear_2 = nn.Linear(channels, channels)

    def forward(self, timesteps: Tensor) -> Tensor:
        half = self.linear_1.in_features // 2
        frequency = torch.exp(torch.arange(half) * (-math.log(10000.0) / half))
        angles = timesteps[:, None].float() * frequency
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.linear_2(F.silu(self.linear_1(waves)))


class UNet(nn.Module):
    """LatentSync's UNet for an `unet_config.yaml`'s `model` section.

    `forward(sample [B,13,F,h,w], timesteps [B], audio [B*F,tokens,width])` to `[B,4,F,h,w]`.
    """

    def __init__(self, config: dict):
        super().__init__()
        channels: list[int] = config["block_out_channels"]
        context: int = config["cross_attention_dim"]
        layers: int = config["layers_per_block"]
        resolutions: list[int] = (
            config["motion_module_resolutions"] if config["use_motion_module"] else []
        )
        decoder_only: bool = config["motion_module_decoder_only"]
        time_channels = channels[0] * 4
        self.conv_in = nn.Conv2d(config["in_channels"], channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], time_channels)
        self.down_blocks = nn.ModuleList()
        skips = [channels[0]]
        for level, name in enumerate(config["down_block_types"]):
            width = channels[level]
            last = level == len(channels) - 1
            self.down_blocks.append(
                Block(
                    [skips[-1]] + [width] * (layers - 1),
                    width,
                    time_channels,
                    context if name.startswith("CrossAttn") else None,
                    2**level in resolutions and not decoder_only,
                    None if last else "downsamplers",
                )
            )
            skips += [width] * (layers if last else layers + 1)
        self.mid_block = MiddleBlock(channels[-1], time_channels, context)
        self.up_blocks = nn.ModuleList()
        previous = channels[-1]
        for index, name in enumerate(config["up_block_types"]):
            level = len(channels) - 1 - index
            width = channels[level]
            inputs = []
            for _ in range(layers + 1):
                inputs.append(previous + skips.pop())
                previous = width
            self.up_blocks.append(
                Block(
                    inputs,
                    width,
                    time_channels,
                    context if name.startswith("CrossAttn") else None,
                    2**level in resolutions,
                    None if level == 0 else "upsamplers",
                )
            )
        self.conv_norm_out = VideoGroupNorm(GROUPS, channels[0])
        self.conv_out = zeroed(nn.Conv2d(channels[0], config["out_channels"], 3, padding=1))

    def forward(self, sample: Tensor, timesteps: Tensor, audio: Tensor) -> Tensor:
        frames = sample.shape[2]
        time = self.time_embedding(timesteps)
        x = sample.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, x, time, audio, frames)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0].conv(x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time, frames)
        x = self.mid_block.attentions[0](x, audio)
        x = self.mid_block.resnets[1](x, time, frames)
        for block in self.up_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, torch.cat([x, skips.pop()], dim=1), time, audio, frames)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = F.silu(self.conv_norm_out(x, frames))
        with torch.autocast("cpu", enabled=False):
            x = self.conv_out(x.float())
        return x.unflatten(0, (-1, frames)).transpose(1, 2)


def sinusoids(length: int, channels: int) -> Tensor:
    """Whisper's positions: sines, then cosines, of periods from 2 pi to 20000 pi."""
    half = channels // 2
    frequency = torch.exp(-math.log(10000.0) / (half - 1) * torch.arange(half))
    angles = torch.arange(length)[:, None] * frequency
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class SpeechAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        with torch.autocast("cpu", enabled=False):
            # The fused kernel is twice as fast in float32 as in bfloat16 at this length.
            seen = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
        return self.out(seen.transpose(1, 2).flatten(2))


class SpeechBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attn = SpeechAttention(width, heads)
        self.attn_ln = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.attn_ln(x))
        return x + self.mlp(self.mlp_ln(x))


class SpeechEncoder(nn.Module):
    """Whisper's encoder: `mel [B,80,2T]` to all hidden states `[B,T,layers+1,width]`.

    T is 1500 in the product; training also runs shorter pieces, which start at state `first`.
    """

    def __init__(self, width: int, heads: int, layers: int, context: int = 1500, mels: int = 80):
        super().__init__()
        self.conv1 = nn.Conv1d(mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", sinusoids(context, width))
        self.blocks = nn.ModuleList([SpeechBlock(width, heads) for _ in range(layers)])
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor, first: int = 0) -> Tensor:
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positional_embedding[first : first + x.shape[1]]
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1]))
        return torch.stack(states, dim=2)
