"""A small vision transformer, for `bursar trace examples/vision_transformer.py:make`: a function gives a module and its inputs."""

import torch
from torch import nn


class VisionTransformer(nn.Module):
    """Patches of 16×16 pixels, two layers of width 192, a head of 1,000 classes on the mean of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 192, 16, stride=16)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(192, 3, 768, batch_first=True, norm_first=True) for _ in range(2))
        self.head = nn.Linear(192, 1000)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


def make() -> tuple[nn.Module, tuple[torch.Tensor]]:
    return VisionTransformer(), (torch.zeros(8, 3, 224, 224),)
