"""Rankings: lists that were served, with what was then chosen of them; what the ranker is trained on.

They are logged by the handlers while they serve or replay, never computed afterwards: a feature computed
later would know the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.base.errors import ModelError
from models.features.kernels import RECENT
from models.features.registry import FEATURES, FEATURES_VERSION
from models.ranking.ranker import RankInput
from streamrank_client.vocabulary import COMPACT as DIM
from streamrank_client.vocabulary import SURFACES


class RankingsError(ModelError):
    """A file of rankings cannot be read, or holds too little to train on."""


@dataclass(frozen=True)
class Rankings:
    """L lists in order of time; list i's candidates are the rows ``start[i]:start[i + 1]`` of T in all.

    ``features`` (T, F); ``chosen`` (T,): whether the user then chose it; ``vector`` (T,) and ``recent``
    (L, 32): places in ``vectors`` (V, 64), -1 for padding; ``recent_weight`` (L, 32); ``time`` (L,) in Unix
    ms; ``surface`` (L,): place in ``SURFACES``; ``user`` (L,): any number that tells users apart; ``weight`` (L,):
    how much the list counts, above 0.
    """

    features: Floats
    chosen: NDArray[np.bool_]
    vector: NDArray[np.int32]
    vectors: Floats
    start: NDArray[np.int64]
    recent: NDArray[np.int32]
    recent_weight: Floats
    time: NDArray[np.int64]
    surface: NDArray[np.uint8]
    user: NDArray[np.int64]
    weight: Floats

    def __len__(self) -> int:
        return len(self.time)

    def rows(self, i: int) -> slice:
        """Where list i's candidates lie."""
        return slice(int(self.start[i]), int(self.start[i + 1]))

    def part(self, first: int, last: int) -> Rankings:
        """The lists from ``first`` on, before ``last``."""
        rows, lists = slice(int(self.start[first]), int(self.start[last])), slice(first, last)
        return Rankings(
            features=self.features[rows],
            chosen=self.chosen[rows],
            vector=self.vector[rows],
            vectors=self.vectors,
            start=self.start[first : last + 1] - self.start[first],
            recent=self.recent[lists],
            recent_weight=self.recent_weight[lists],
            time=self.time[lists],
            surface=self.surface[lists],
            user=self.user[lists],
            weight=self.weight[lists],
        )

    def rank_input(self, i: int) -> RankInput:
        """List i as the ranker takes it."""
        rows = self.rows(i)
        recent = np.where(self.recent[i][:, None] >= 0, self.vectors[self.recent[i]], np.float32(0))
        return RankInput(self.features[rows], self.vectors[self.vector[rows]], recent, self.recent_weight[i])

    def save(self, path: Path | str) -> None:
        """Write as a NumPy archive of plain arrays."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        with Path(path).open("wb") as file:
            np.savez(file, version=np.array(FEATURES_VERSION), names=np.array(FEATURES), **arrays)

    @classmethod
    def load(cls, path: Path | str) -> Rankings:
        """Read what ``save`` wrote; ``RankingsError`` when it is something else or of other features."""
        remedy = "log the rankings again with `streamrank artifact build ranker --log LOG`."
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = tuple(str(name) for name in archive["names"])
                if (str(archive["version"]), names) != (FEATURES_VERSION, FEATURES):
                    raise RankingsError(f"{path} holds other features than this version computes.", remedy)
                return cls(**{f.name: archive[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RankingsError(f"{path} is not a file of rankings: {error}.", remedy) from error


class RankingsWriter:
    """Gathers rankings in memory, about 200 bytes a candidate; vectors that repeat are kept once.

    ``missed`` counts lists none of whose candidates was chosen: they teach nothing, and are not kept.

    >>> writer = RankingsWriter()
    >>> writer.add(np.zeros((2, len(FEATURES)), np.float32), np.eye(2, 64, dtype=np.float32),
    ...            np.zeros((32, 64), np.float32), np.zeros(32, np.float32), [1], time=5)
    >>> len(writer.rankings()), writer.rankings().chosen.tolist()
    (1, [False, True])
    """

    def __init__(self) -> None:
        self.missed = 0
        self._place: dict[bytes, int] = {}
        self._features: list[Floats] = []
        self._chosen: list[NDArray[np.bool_]] = []
        self._vector: list[NDArray[np.int32]] = []
        self._recent: list[NDArray[np.int32]] = []
        self._weight: list[Floats] = []
        self._about: list[tuple[int, int, int]] = []
        self._counts: list[float] = []

    def __len__(self) -> int:
        return len(self._about)

    def add(
        self,
        features: Floats,
        candidates: Floats,
        recent: Floats,
        recent_weight: Floats,
        targets: Sequence[int],
        time: int,
        surface: str = "home",
        user: int = 0,
        weight: float = 1.0,
    ) -> None:
        """One list: arrays as the ranker took them, and the places in it that were then chosen.

        Raises ValueError on shapes that do not fit, an unknown surface, a target that is no place in it, or a weight
        that is not above 0.
        """
        n = len(features)
        shapes = (features.shape, candidates.shape, recent.shape, recent_weight.shape)
        wanted = ((n, len(FEATURES)), (n, DIM), (RECENT, DIM), (RECENT,))
        if shapes != wanted:
            raise ValueError(f"a ranking of {n} candidates has shapes {shapes}; expected {wanted}")
        if surface not in SURFACES or not all(0 <= target < n for target in targets):
            raise ValueError(f"targets {list(targets)} of {n} candidates on {surface!r}")
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight {weight} of a ranking: expected a number above 0")
        if not targets:
            self.missed += 1
            return
        chosen = np.zeros(n, np.bool_)
        chosen[list(targets)] = True
        self._features.append(features.copy())
        self._chosen.append(chosen)
        self._vector.append(self._places(candidates))
        self._recent.append(np.where(recent_weight != 0, self._places(recent), -1).astype(np.int32))
        self._weight.append(recent_weight.copy())
        self._about.append((time, SURFACES.index(surface), user))
        self._counts.append(weight)

    def rankings(self) -> Rankings:
        """All of them, sorted by time; raises ``RankingsError`` when there are none."""
        if not self._about:
            raise RankingsError(
                f"No rankings: none of {self.missed} lists held what was then chosen.",
                "use a longer log, or more candidates.",
            )
        about = np.array(self._about, np.int64)
        order = np.argsort(about[:, 0], kind="stable")
        sizes = [len(self._chosen[i]) for i in order]
        vectors = np.frombuffer(b"".join(self._place), np.float32).reshape(-1, DIM)
        return Rankings(
            features=np.concatenate([self._features[i] for i in order]),
            chosen=np.concatenate([self._chosen[i] for i in order]),
            vector=np.concatenate([self._vector[i] for i in order]),
            vectors=vectors,
            start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            recent=np.stack([self._recent[i] for i in order]),
            recent_weight=np.stack([self._weight[i] for i in order]),
            time=about[order, 0],
            surface=about[order, 1].astype(np.uint8),
            user=about[order, 2],
            weight=np.array(self._counts, np.float32)[order],
        )

    def _places(self, vectors: Floats) -> NDArray[np.int32]:
        place = self._place
        rows = np.ascontiguousarray(vectors, np.float32)
        return np.array([place.setdefault(row.tobytes(), len(place)) for row in rows], np.int32)
