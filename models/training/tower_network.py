"""The item tower's network, and its export to ONNX, checked against torch.

::

    text (512) ─┬──────────────────── linear ─┐
    parts, price, image ─┴─ hidden 256, ReLU ─┴─ +, unit ─┐
    item's own number ─> table (64) ──────────────────────┴─ +, unit (64)

What is new has no number, and is placed by the upper way alone.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.base.errors import SessionError
from models.base.onnx_session import OnnxSession
from models.tower.item_tower import BATCH, BUCKETS, DIM, PARTS, Feeds
from streamrank_client.vocabulary import WIDE

OPSET: Final = 17
TOLERANCE: Final = 1e-4
PART: Final = 16
HIDDEN: Final = 256
#: brings the numbers of unit vectors to about 1
SCALE: Final = 16.0
#: shares of items that lose their category, brand, price and image, each for itself, and their number, in training
DROP: Final = 0.2
DROP_OWN: Final = 0.3


class TowerNetwork(nn.Module):
    """Item inputs (``models.tower.item_tower.inputs_of``) to unit vectors (n, 64)."""

    price_at: Tensor
    price_by: Tensor

    def __init__(self, items: int, image_dim: int = 0, prices: np.ndarray | None = None) -> None:
        """``items``: those with a number of their own; ``prices``: logs of known prices, for their scale."""
        super().__init__()
        known = prices if prices is not None and len(prices) > 1 else np.array([0.0, 2.0])
        self.register_buffer("price_at", torch.tensor(float(known.mean())))
        self.register_buffer("price_by", torch.tensor(max(float(known.std()), 1e-3)))
        self.image_dim = image_dim
        self.part = nn.Embedding(1 + 2 * BUCKETS, PART, padding_idx=0)
        self.own = nn.Embedding(1 + items, DIM, padding_idx=0)
        nn.init.normal_(self.part.weight, std=0.1)
        nn.init.zeros_(self.own.weight)
        with torch.no_grad():
            self.part.weight[0] = 0
        self.image = nn.Linear(image_dim, DIM, bias=False) if image_dim else None
        wide = WIDE + PARTS * PART + 2 + (DIM + 1 if image_dim else 0)
        self.first, self.second = nn.Linear(wide, HIDDEN), nn.Linear(HIDDEN, DIM)
        self.straight = nn.Linear(WIDE, DIM, bias=False)

    def forward(
        self,
        text: Tensor,
        parts: Tensor,
        price: Tensor,
        item: Tensor,
        image: Tensor | None = None,
        has_image: Tensor | None = None,
    ) -> Tensor:
        """Unit vectors (n, 64)."""
        rows = [text * SCALE, self.part(parts).flatten(1)]
        has_price = price[:, 1:]
        rows += [(price[:, :1] - self.price_at) / self.price_by * has_price, has_price]
        if self.image is not None and image is not None and has_image is not None:
            rows += [self.image(image * SCALE), has_image]
        hidden = torch.relu(self.first(torch.cat(rows, dim=1)))
        by_content = nn.functional.normalize(self.second(hidden) + self.straight(text * SCALE), dim=-1)
        return nn.functional.normalize(by_content + self.own(item), dim=-1)


def dropped(feeds: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """The inputs with what is at times missing left out at random, so that without it items are placed too."""

    def kept(share: float) -> Tensor:
        return torch.rand(len(feeds["item"]), 1, generator=generator) >= share

    found = dict(feeds)
    parts = feeds["parts"].clone()
    parts[:, :-1] *= kept(DROP)
    parts[:, -1:] *= kept(DROP)
    found["parts"] = parts
    found["price"] = feeds["price"] * kept(DROP)
    found["item"] = feeds["item"] * kept(DROP_OWN)[:, 0]
    if "image" in feeds:
        seen = kept(DROP)
        found["image"], found["has_image"] = feeds["image"] * seen, feeds["has_image"] * seen
    return found


def tensors(feeds: Feeds) -> dict[str, Tensor]:
    """The inputs as tensors."""
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}


def export(network: TowerNetwork, path: Path) -> None:
    """Write the network as ONNX that takes ``BATCH`` items a call."""
    example = example_of(network, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it will be removed one day
        torch.onnx.export(
            network.eval(), tuple(tensors(example).values()), str(path), input_names=list(example),
            output_names=["vector"], opset_version=OPSET, dynamo=False,
        )  # fmt: skip


def check(network: TowerNetwork, session: OnnxSession) -> float:
    """Largest difference between the graph and torch on random items; SessionError above ``TOLERANCE``."""
    worst = 0.0
    for seed in range(4):
        feeds = example_of(network, seed)
        with torch.no_grad():
            wanted = network.eval()(**tensors(feeds)).numpy()
        worst = max(worst, float(np.abs(wanted - session.run(feeds)[0]).max()))
    if not worst <= TOLERANCE:
        raise SessionError(
            f"The exported item tower differs from torch by {worst:.2g}, more than {TOLERANCE}.",
            "report it with the versions of torch and onnxruntime; the old artifact stays in place.",
        )
    return worst


def example_of(network: TowerNetwork, seed: int) -> Feeds:
    """Random inputs of ``BATCH`` items, some of which lack a category, a price, a number or an image."""
    rng = np.random.default_rng(seed)
    has = (rng.random((BATCH, 1)) < 0.7).astype(np.float32)
    feeds: Feeds = {
        "text": rng.normal(size=(BATCH, WIDE)).astype(np.float32) / np.float32(np.sqrt(WIDE)),
        "parts": rng.integers(0, 1 + 2 * BUCKETS, (BATCH, PARTS)) * (rng.random((BATCH, PARTS)) < 0.7),
        "price": np.concatenate([rng.random((BATCH, 1)).astype(np.float32) * 5 * has, has], axis=1),
        "item": rng.integers(0, network.own.num_embeddings, BATCH),
    }
    if network.image_dim:
        image = rng.normal(size=(BATCH, network.image_dim)).astype(np.float32) * has
        feeds |= {"image": image / np.float32(np.sqrt(network.image_dim)), "has_image": has}
    return feeds
