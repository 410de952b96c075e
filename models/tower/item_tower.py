"""The item tower: from what a catalogue knows of an item to a vector (64,) near those of items it is chosen with.

Its inputs are the title's vector, category and brand, the regular price, the image where there is one, and a number of
the item's own where the training log showed it often enough (``items.npy``). An item that is new has all but the last,
so it is placed by its text (Volkovs, Yu and Poutanen, "DropoutNet: Addressing Cold Start in Recommender Systems",
2017). ``models.training.item_tower`` trains it; docs/decisions/0017-item-tower.md says what it gains.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.base.arrays import AnyRows, Floats
from models.base.artifact import Artifact, check_ports
from models.base.errors import ArtifactError
from models.base.onnx_session import open_session
from models.items.catalogue import Catalogue
from models.items.codes import LEVELS
from models.items.key_index import KeyIndex
from models.text.words import normalise

DIM: Final = 64
#: Category prefixes and the brand of an item, hashed to so many places each; 0: there is none.
PARTS: Final = LEVELS + 1
BUCKETS: Final = 4096
#: Items in one call, always: shorter batches are padded. A vector's bytes then depend on nothing but its item.
BATCH: Final = 16
#: File of the artifact with the keys of the items that have a number, in the order of their numbers from 1.
ITEMS_FILE: Final = "items.npy"
REMEDY: Final = "build it again with `streamrank artifact build item-tower --log LOG`, or remove its folder."

Feeds = dict[str, NDArray[np.generic]]


class ItemTower:
    """An item tower's artifact, opened on the CPU; ``ArtifactError`` or ``SessionError`` when it does not fit."""

    def __init__(self, path: Path | str, encoder: str) -> None:
        """``encoder``: the version of the encoder in use, whose vectors it takes."""
        self.artifact = Artifact.load(path)
        self.artifact.require("encoder", encoder)
        self._numbers = numbers_of(_keys(self.artifact))
        self._session = open_session(self.artifact.graph, "cpu")
        check_ports(self.artifact, self._session)
        widths = {port.name: port.shape[-1] for port in self._session.inputs}
        self.image_dim = int(widths.get("image", 0))

    @property
    def version(self) -> str:
        """The artifact's version."""
        return self.artifact.version

    def vectors(self, catalogue: Catalogue, rows: AnyRows) -> Floats:
        """Unit vectors (n, 64) of catalogue rows, each in the same bytes whatever the other rows are."""
        found = np.empty((len(rows), DIM), np.float32)
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            padded = np.concatenate([some, np.repeat(some[-1:], BATCH - len(some))])
            feeds = inputs_of(catalogue, padded, self._numbers.get(catalogue.keys[padded]), self.image_dim)
            found[start : start + BATCH] = self._session.run(feeds)[0][: len(some)]
        return found


def inputs_of(catalogue: Catalogue, rows: AnyRows, numbers: AnyRows, image_dim: int) -> Feeds:
    """What the graph takes of catalogue rows, (n, …) each. ``numbers``: their own numbers (n,), below 0 for none.

    ``text`` (n, 512); ``parts`` (n, 5): hashed category prefixes, then the brand; ``price`` (n, 2): log of the regular
    price, and 1 where it is known; ``item`` (n,): own number from 1, 0 for none; with ``image_dim`` also ``image``
    (n, image_dim) and ``has_image`` (n, 1). An image of another dimension counts as none.
    """
    price = np.where(np.isnan(catalogue.list_price[rows]), catalogue.price[rows], catalogue.list_price[rows])
    known = price >= 0
    feeds: Feeds = {
        "text": catalogue.vectors[rows].astype(np.float32),
        "parts": parts_of(catalogue, rows),
        "price": np.stack([np.log1p(np.where(known, price, 0)), known], axis=1).astype(np.float32),
        "item": np.maximum(numbers.astype(np.int64) + 1, 0),
    }
    if image_dim:
        image, has = np.zeros((len(rows), image_dim), np.float32), np.zeros((len(rows), 1), np.float32)
        if catalogue.images.dim == image_dim:
            has[:, 0] = catalogue.images.known(len(catalogue))[rows]
            there = np.flatnonzero(has[:, 0])
            image[there] = catalogue.images.vectors(rows[there])
        feeds |= {"image": image, "has_image": has}
    return feeds


def parts_of(catalogue: Catalogue, rows: AnyRows) -> NDArray[np.int64]:
    """Places of the categories' prefixes and of the brand in the table of parts, (n, 5), 0 for none."""
    found = np.zeros((len(rows), PARTS), np.int64)
    path = catalogue.category_path[rows]
    if len(catalogue.categories.keys):
        places = 1 + (catalogue.categories.keys % np.uint64(BUCKETS)).astype(np.int64)
        found[:, :LEVELS] = np.where(path >= 0, places[np.maximum(path, 0)], 0)
    names = catalogue.brands.names
    for n, code in enumerate(catalogue.brand[rows].tolist()):
        if code >= 0:
            found[n, LEVELS] = 1 + BUCKETS + xxh3_64_intdigest(normalise(names[code]).encode()) % BUCKETS
    return found


def numbers_of(keys: NDArray[np.uint64]) -> KeyIndex:
    """The place of each key, from 0."""
    index = KeyIndex()
    index.put(keys, np.arange(len(keys), dtype=np.int32))
    return index


def keys_file(keys: NDArray[np.uint64]) -> bytes:
    """The content of ``ITEMS_FILE``."""
    file = io.BytesIO()
    np.save(file, keys.astype("<u8"), allow_pickle=False)
    return file.getvalue()


def _keys(artifact: Artifact) -> NDArray[np.uint64]:
    try:
        keys = np.load(artifact.file(ITEMS_FILE), allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ArtifactError(artifact.path, ITEMS_FILE, "keys of items", error, REMEDY) from error
    if keys.dtype != np.dtype("<u8") or keys.ndim != 1:
        raise ArtifactError(artifact.path, ITEMS_FILE, "u64 keys (n,)", f"{keys.dtype} {keys.shape}", REMEDY)
    return np.asarray(keys, np.uint64)
