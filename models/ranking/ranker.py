"""The offline ranker: an ONNX graph over the user's recent items and each candidate's features.

Normalisation is in the graph, so it takes features just as ``models.features`` gives them. A score is on the
scale of log odds: softmax over a list's scores estimates which candidate will be chosen. One that learnt another shop's
log stands on a fixed floor (``models.ranking.floor``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import CPU, Device, open_session
from models.features.kernels import RECENT
from models.features.registry import FEATURES, FEATURES_VERSION, GROUPS, INDEX
from models.ranking.floor import FLOOR_FILE, Floor
from streamrank_client.vocabulary import COMPACT as DIM

#: File of the artifact that lists the features it was trained on, in order.
NAMES_FILE: Final = "features.json"
#: Figure of the manifest: the sources that were silent in its training log, comma separated.
SILENT: Final = "silent_sources"
REMEDY: Final = "build it again with `streamrank artifact build ranker --log LOG`."


@dataclass(frozen=True, slots=True)
class RankInput:
    """One list: ``features`` (n, F), the candidates' compact vectors ``candidates`` (n, 64), and the user's.

    ``recent`` (32, 64) and ``recent_weight`` (32,) are those of ``models.features.kernels.recent_inputs``.
    """

    features: Floats
    candidates: Floats
    recent: Floats
    recent_weight: Floats


@dataclass(frozen=True, slots=True)
class Explanation:
    """Candidate i's score is ``base`` + the sum of ``values[i]``; ``values`` (n, len(``groups``)), float64."""

    base: float
    groups: tuple[str, ...]
    values: NDArray[np.float64]


class Ranker:
    """A ranker artifact, opened; ``ArtifactError`` or ``SessionError`` when it does not fit or open."""

    def __init__(self, artifact_path: Path | str, device: Device = "auto", threads: int = 1) -> None:
        self.artifact = Artifact.load(artifact_path)
        self.artifact.require("features", FEATURES_VERSION)
        names = msgspec.json.decode(self.artifact.file(NAMES_FILE).read_bytes(), type=tuple[str, ...])
        odd = sorted(set(names) - set(FEATURES))
        if odd or not names:
            raise ArtifactError(artifact_path, NAMES_FILE, "features of this version", ", ".join(odd) or "none", REMEDY)
        self.names = names
        self._columns = np.array([INDEX[name] for name in names])
        self.floor = self._stands_on()
        #: a ranker from before the last features were added takes the first ones, in order
        self._leading = names == FEATURES[: len(names)]
        self._session = open_session(self.artifact.graph, device, threads)
        check_ports(self.artifact, self._session)
        self.provider, self.warning = self._session.provider, self._session.warning

    @property
    def version(self) -> str:
        """The artifact's version, shown in answers."""
        return self.artifact.version

    def knows(self, source: str) -> bool:
        """Whether the training log showed a source at work, so that its score is judged by what was learnt."""
        silent = str(self.artifact.manifest.figures.get(SILENT, "")).split(",")
        return source in self.names and source not in silent

    def score(self, batch: Sequence[RankInput]) -> list[Floats]:
        """Scores (n,) of each list, higher is better; an empty list has none.

        On the CPU each list is scored alone, so that its bytes do not depend on what came with it: together
        they would be a fifteenth faster. On CUDA they go in one call. Raises ValueError when shapes do not fit.
        """
        if self.provider == CPU:
            return [scores for one in batch for scores in self.score_together([one])]
        return self.score_together(batch)

    def score_together(self, batch: Sequence[RankInput]) -> list[Floats]:
        """As ``score``, in one call: lists are padded to the longest, which may change the last digits."""
        full = [one for one in batch if len(one.features)]
        scores = iter(self._run(full) if full else [])
        empty = np.zeros(0, np.float32)
        return [next(scores) if len(one.features) else empty for one in batch]

    def explain(self, one: RankInput, served: Floats | None = None) -> Explanation:
        """What each group of features adds to each candidate's score.

        Groups are revealed one after the other, in the order of ``GROUPS``: at first every feature has its
        mean over the list and there are no recent items (``base`` is that score, the same for all), and a
        group's contribution is by how much the score moves when it is revealed. So they add up exactly, and
        what two groups do only together is credited to the later one. The user's recent items belong to
        ``interest``. ``served`` (n,): the scores that were given, to which the values then add up; computed in
        another order of the list they may differ in the last digits, which go to the last group that differs.
        """
        groups = tuple(GROUPS)
        n = len(one.features)
        values = np.zeros((n, len(groups)))
        if not n:
            return Explanation(0.0, groups, values)
        steps, moved = self._revealed(one)
        # one by one: as served, and the arrays of one list stay in the cache (200 candidates: 30 ms, together 39)
        scores = np.stack([self._run([step])[0] for step in steps]).astype(np.float64)
        scores[0] = scores[0, 0]
        if served is not None and moved:
            scores[-1] = served
        values[:, moved] = np.diff(scores, axis=0).T
        return Explanation(float(scores[0, 0]), groups, values)

    def _stands_on(self) -> Floor | None:
        """The artifact's floor, of features that there are."""
        if FLOOR_FILE not in self.artifact.manifest.files:
            return None
        wanted, found = "weights of this version's features", self.artifact.file(FLOOR_FILE).read_bytes()
        try:
            floor = msgspec.json.decode(found, type=Floor)
        except msgspec.DecodeError as error:
            raise ArtifactError(self.artifact.path, FLOOR_FILE, wanted, str(error), REMEDY) from error
        odd = sorted(floor.parts.keys() - INDEX.keys())
        if odd or not floor.parts:
            raise ArtifactError(self.artifact.path, FLOOR_FILE, wanted, ", ".join(odd) or "none", REMEDY)
        return floor

    def _revealed(self, one: RankInput) -> tuple[list[RankInput], list[int]]:
        """The list with nothing revealed, then with one group more each; and the places in ``GROUPS`` of these.

        Groups in which the candidates do not differ, or that this ranker does not take, would move nothing and are
        left out.
        """
        features = np.tile(one.features.mean(axis=0, dtype=np.float64).astype(np.float32), (len(one.features), 1))
        weight = np.zeros_like(one.recent_weight)
        taken = {*self.names, *(self.floor.parts if self.floor else ())}
        steps, moved = [RankInput(features, one.candidates, one.recent, weight)], []
        for place, (group, names) in enumerate(GROUPS.items()):
            columns = [INDEX[name] for name in names if name in taken]
            remembers = group == "interest" and bool(one.recent_weight.any())
            if not remembers and (features[:, columns] == one.features[:, columns]).all():
                continue
            features = features.copy()
            features[:, columns] = one.features[:, columns]
            weight = one.recent_weight if remembers else weight
            steps.append(RankInput(features, one.candidates, one.recent, weight))
            moved.append(place)
        return steps, moved

    def _run(self, batch: Sequence[RankInput]) -> list[Floats]:
        sizes = [_size(one) for one in batch]
        if len(batch) == 1:
            return [self._run_one(batch[0], sizes[0])]
        lists, longest = len(batch), max(sizes)
        features = np.zeros((lists, longest, len(self.names)), np.float32)
        mask = np.zeros((lists, longest), np.float32)
        candidates = np.zeros((lists, longest, DIM), np.float32)
        for i, (one, n) in enumerate(zip(batch, sizes, strict=True)):
            features[i, :n], candidates[i, :n], mask[i, :n] = one.features[:, self._columns], one.candidates, 1
        feeds = {
            "features": features,
            "mask": mask,
            "candidates": candidates,
            "recent": np.stack([one.recent for one in batch]),
            "recent_weight": np.stack([one.recent_weight for one in batch]),
        }
        (scores,) = self._session.run(feeds)
        return [self._on_floor(one, scores[i, :n]) for i, (one, n) in enumerate(zip(batch, sizes, strict=True))]

    def _run_one(self, one: RankInput, n: int) -> Floats:
        """One list, which needs no padding: nothing is copied that has the right columns."""
        if self._leading:
            features = np.ascontiguousarray(one.features[:, : len(self.names)])
        else:
            features = one.features.take(self._columns, axis=1)
        feeds = {
            "features": features[np.newaxis],
            "mask": np.ones((1, n), np.float32),
            "candidates": one.candidates[np.newaxis],
            "recent": one.recent[np.newaxis],
            "recent_weight": one.recent_weight[np.newaxis],
        }
        return self._on_floor(one, self._session.run(feeds)[0][0])

    def _on_floor(self, one: RankInput, scores: Floats) -> Floats:
        return scores if self.floor is None else scores + self.floor.of(one.features)


def _size(one: RankInput) -> int:
    n = len(one.features)
    shapes = (one.features.shape, one.candidates.shape, one.recent.shape, one.recent_weight.shape)
    wanted = ((n, len(FEATURES)), (n, DIM), (RECENT, DIM), (RECENT,))
    if shapes != wanted:
        raise ValueError(f"a list to rank has shapes {shapes}; expected {wanted}")
    return n
