"""The ranker's network in mixed precision: products of the attention and hidden layers in float16, meant for CUDA.

Float16 has 11 bits and ends at 65,504. Knots, counts and the statistics of a list would lose their meaning in it, so
normalisation stays float32. So do the softmax and the sums of the attention, as under ``torch.autocast``, and the
output layer: a score near 8 would be a multiple of 1/128, and candidates would tie.
"""

from __future__ import annotations

import copy
from typing import Literal

from torch import Tensor, nn

from models.training.network import Attention, RankerNetwork

RankerPrecision = Literal["float32", "float16"]


class InHalf(nn.Module):
    """Layers whose weights and arithmetic are float16, with float32 in and out."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers.half()

    def forward(self, values: Tensor) -> Tensor:
        """What the layers make of ``values``."""
        found: Tensor = self.layers(values.half())
        return found.float()


class HalfAttention(Attention):
    """Attention whose products are float16, counted from the list's first candidate; what is added up is float32.

    Candidates that are much alike differ less in their similarities than float16 rounds, and the z-score within the
    list would make that rounding large. With the first candidate's part in float16 too, scores moved by up to 0.19
    where all vectors lay within 1 % of each other; as it is, by 0.002.
    """

    def __init__(self, whole: Attention) -> None:
        super().__init__()
        self.load_state_dict(whole.state_dict())
        self.low = copy.deepcopy(whole.project).half()

    def products(self, candidates: Tensor, recent: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Attention``, float32: those of the first candidate, and by how much the others' differ from it."""
        first = candidates[:, :1]
        away, other = (candidates - first).half(), recent.half()
        plain, learnt = super().products(first, recent)
        return plain + away @ other.transpose(1, 2), learnt + self.low(away) @ self.low(other).transpose(1, 2)


def halved(network: RankerNetwork) -> RankerNetwork:
    """A copy with the hidden layers and the attention's products in float16; it takes and gives float32.

    >>> import numpy as np, torch
    >>> from models.features.registry import FEATURES
    >>> from models.training.network import fit_scales
    >>> half = halved(RankerNetwork(fit_scales(np.zeros((1, len(FEATURES)), np.float32))))
    >>> sorted({str(p.dtype) for p in half.deep.parameters()}), half.normalise.table.dtype
    (['torch.float16', 'torch.float32'], torch.float32)
    """
    half = copy.deepcopy(network).eval()
    half.attend = HalfAttention(network.attend)
    half.deep = nn.Sequential(InHalf(half.deep[:-1]), half.deep[-1])
    return half.eval()
