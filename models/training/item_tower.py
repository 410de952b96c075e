"""Train the item tower on what users chose near each other, and judge it on the newest tenth of the choices.

A pair is two items that one user chose within ten choices, as the relation ``wide`` of the co-visits counts them. One
of a pair is to be told from those of the other pairs of its batch: sampled softmax with the correction for how often
each is drawn (Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", 2019).
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.base.arrays import Floats, Ints
from models.base.artifact import Artifact, Manifest, verify, with_figures, write
from models.base.onnx_session import open_session
from models.items.catalogue import Catalogue
from models.tower.item_tower import ITEMS_FILE, Feeds, ItemTower, inputs_of, keys_file
from models.training.rankings import RankingsError
from models.training.tower_network import TowerNetwork, check, dropped, export, tensors

LAGS: Final = 10
BATCH: Final = 1024
TEMPERATURE: Final = 0.07
RATE: Final = 2e-3
#: times that each pair is drawn, about (twice found fewer), and steps at most
EPOCHS: Final = 1.0
STEPS: Final = 4_000
#: training choices after which an item has a number of its own
LEAST_CHOSEN: Final = 3
LEAST_CHOICES: Final = 100
#: held-out choices that are judged, at most; how many items before each are looked at, and how many are found
TESTS: Final = 2_000
BEFORE: Final = 10
TOP: Final = 100

#: called with the share that is done
TowerProgress = Callable[[float], None]


@dataclass(frozen=True)
class TowerChoices:
    """What users chose, in order of time: ``user`` and catalogue ``row``, (n,) each."""

    user: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.user)

    def first(self, count: int) -> TowerChoices:
        """The oldest of them."""
        return TowerChoices(self.user[:count], self.row[:count])


def train(
    catalogue: Catalogue,
    choices: TowerChoices,
    encoder: str,
    out: Path,
    source: str = "",
    seed: int = 0,
    progress: TowerProgress = lambda share: None,
) -> Artifact:
    """Train on the first nine tenths of ``choices``, judge on the rest, and write the artifact to ``out``.

    ``encoder``: the version of the one that made the catalogue's vectors; ``source`` names the log in the manifest.
    Raises ``RankingsError`` with fewer than 100 choices, ``SessionError`` when the export is not right.
    """
    if len(choices) < LEAST_CHOICES:
        raise RankingsError(
            f"{len(choices)} choices: too few to train an item tower on; at least {LEAST_CHOICES} are needed.",
            "use a longer log.",
        )
    began = time.perf_counter()
    cut = len(choices) * 9 // 10
    learnt = choices.first(cut)
    chosen = np.bincount(learnt.row, minlength=len(catalogue))
    numbered = np.flatnonzero(chosen >= LEAST_CHOSEN)
    numbers = np.full(len(catalogue), -1, np.int64)
    numbers[numbered] = np.arange(len(numbered))
    feeds = inputs_of(catalogue, np.arange(len(catalogue)), numbers, catalogue.images.dim)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = fit(feeds, learnt, len(numbered), seed, progress)
    made = {
        "source": source or "choices", "choices": str(cut), "items": str(len(catalogue)), "seed": str(seed),
        "torch": str(torch.__version__),
    }  # fmt: skip

    def figures(draft: Artifact) -> dict[str, float | str]:
        vectors = ItemTower(draft.path, encoder).vectors(catalogue, np.arange(len(catalogue)))
        found = judge(vectors, catalogue, choices, cut, seed)
        counted = {"trained_choices": cut, "items_with_a_number": len(numbered)}
        return {**counted, **found, "seconds": round(time.perf_counter() - began, 1)}

    return _save(network, out, catalogue.keys[numbered], encoder, made, figures)


def fit(feeds: Feeds, choices: TowerChoices, numbered: int, seed: int, progress: TowerProgress) -> TowerNetwork:
    """A network trained on pairs of these choices; ``feeds``: every item's inputs, by row."""
    image_dim = feeds["image"].shape[1] if "image" in feeds else 0
    price = np.asarray(feeds["price"], np.float64)
    network = TowerNetwork(numbered, image_dim, price[price[:, 1] > 0, 0])
    every, pairs = tensors(feeds), _Pairs(choices, np.random.default_rng(seed))
    steps = int(min(max(EPOCHS * len(choices) * LAGS / BATCH, 100), STEPS))
    drawn = np.bincount(choices.row, minlength=len(feeds["item"])).astype(np.float64)
    often = torch.from_numpy(np.log(np.maximum(drawn, 1) / drawn.sum()).astype(np.float32))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    network.train()
    for step in range(steps):
        ahead, behind = pairs.draw(BATCH)
        rows, place = np.unique(np.concatenate([ahead, behind]), return_inverse=True)
        some = {name: value[torch.from_numpy(rows)] for name, value in every.items()}
        vectors = network(**dropped(some, generator))
        a, b = (vectors[torch.from_numpy(own)] for own in np.split(place.ravel(), 2))
        loss = _loss(a, b, torch.from_numpy(behind), often)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        progress((step + 1) / steps)
    return network.eval()


def judge(vectors: Floats, catalogue: Catalogue, choices: TowerChoices, cut: int, seed: int) -> dict[str, float]:
    """Recall@100 of unseen choices from ``cut`` on, by the mean of the user's last items' vectors.

    Beside the compact text vectors in the same way, and popularity. Cold: items that were never chosen before the cut.
    """
    counts = np.bincount(choices.row[:cut], minlength=len(catalogue)).astype(np.float32)
    tests = np.arange(cut, len(choices))
    rng = np.random.default_rng(seed)
    tests = np.sort(rng.choice(tests, min(TESTS, len(tests)), replace=False))
    order = np.argsort(choices.user, kind="stable")
    users, found = choices.user[order], []
    for test in tests.tolist():
        start = int(np.searchsorted(users, choices.user[test]))
        own = order[start : start + int(np.searchsorted(users[start:], choices.user[test], "right"))]
        before = choices.row[own[own < test]]
        target = int(choices.row[test])
        if not len(before) or target in before or not catalogue.recommendable[target]:
            continue
        hidden = ~catalogue.recommendable
        hidden[before] = True
        near = [own @ own[before[-BEFORE:]].mean(axis=0) for own in (vectors, catalogue.compact)]
        found.append((counts[target] == 0, *(_found(one, target, hidden) for one in (*near, counts))))
    held = np.array(found, np.float64).reshape(-1, 4)
    cold = held[:, 0] > 0
    figures = {"held_out_choices": float(len(held)), "held_out_cold": float(cold.sum())}
    for column, name in enumerate(("tower", "text", "popularity"), 1):
        for group, some in (("", held), (" cold", held[cold])):
            if len(some):
                figures[f"recall@{TOP} {name}{group}"] = round(float(some[:, column].mean()), 4)
    return figures


class _Pairs:
    """Pairs of rows that one user chose within ``LAGS`` choices."""

    def __init__(self, choices: TowerChoices, rng: np.random.Generator) -> None:
        order = np.argsort(choices.user, kind="stable")
        self._user, self._row, self._rng = choices.user[order], choices.row[order], rng

    def draw(self, count: int) -> tuple[Ints, Ints]:
        """About ``count`` of them, either way round; at least one where there is any."""
        ahead, behind = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for _ in range(8):
            first = self._rng.integers(0, len(self._row), count)
            second = np.minimum(first + self._rng.integers(1, LAGS + 1, count), len(self._row) - 1)
            good = (self._user[first] == self._user[second]) & (self._row[first] != self._row[second])
            pair = np.stack([self._row[first[good]], self._row[second[good]]])
            turned = np.where(self._rng.random(pair.shape[1]) < 0.5, pair, pair[::-1])
            ahead, behind = np.concatenate([ahead, turned[0]]), np.concatenate([behind, turned[1]])
            if len(ahead) >= count:
                break
        if not len(ahead):
            raise RankingsError("No pairs: no user chose two items.", "use a log of users who choose several items.")
        return ahead[:count], behind[:count]


def _save(
    network: TowerNetwork,
    out: Path,
    keys: NDArray[np.uint64],
    encoder: str,
    made: dict[str, str],
    figures: Callable[[Artifact], dict[str, float | str]],
) -> Artifact:
    """Export, check, judge a draft, and write the artifact; SessionError when the graph is not the network."""
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "model.onnx"
        export(network, graph)
        session = open_session(graph, "cpu")
        difference = check(network, session)
        manifest = Manifest(
            kind="item-tower",
            name=f"item-tower-{len(keys)}",
            created_from=made,
            inputs=session.inputs,
            outputs=session.outputs,
            licence="Apache-2.0",
            requires={"encoder": encoder},
        )
        draft = write(Path(folder) / "item-tower", manifest, {"model.onnx": graph, ITEMS_FILE: keys_file(keys)})
        with_figures(draft, out, {**figures(draft), "onnx_against_torch": float(f"{difference:.2g}")})
    return verify(out)


def _loss(ahead: Tensor, behind: Tensor, row: Tensor, often: Tensor) -> Tensor:
    """Cross entropy of each pair's second item against those of the batch that are other items."""
    logits = ahead @ behind.T / TEMPERATURE - often[row]
    same = row[:, None] == row[None]
    same.fill_diagonal_(False)
    return nn.functional.cross_entropy(logits.masked_fill(same, -1e9), torch.arange(len(row)))


def _found(scores: Floats, target: int, hidden: NDArray[np.bool_]) -> float:
    """Whether ``target`` is among the best ``TOP``; of equals half are taken to be ahead."""
    others = scores[~hidden]
    ahead = int((others > scores[target]).sum())
    return float(ahead + (int((others == scores[target]).sum()) - 1) / 2 < TOP)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread always adds up in the same order, and waits for no other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
