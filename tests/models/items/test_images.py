"""Image vectors by row: exact cosines, codes that find the nearest, growth."""

from __future__ import annotations

import numpy as np
import pytest

from models.items.images import CAPACITY, Images, codes
from models.sample import sample, sample_entry


def units(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """Random unit vectors."""
    made = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def raw(vectors: np.ndarray) -> list[bytes]:
    """Vectors as entries hold them."""
    return [row.astype("<f2").tobytes() for row in vectors]


@pytest.mark.parametrize("dim", [3, 64, 100, 384, 512, 768, 1024])
def test_a_code_differs_by_the_angle(dim: int) -> None:
    """Bits that differ are about 512 times the angle over pi; none for equal vectors, nearly all for opposite ones."""
    vectors = units(40, dim)
    made = codes(np.concatenate([vectors, -vectors]))
    assert made.shape == (80, 8)
    distance = np.bitwise_count(made[:40, None] ^ made[None, :40]).sum(axis=-1)
    expected = 512 * np.arccos(np.clip(vectors @ vectors.T, -1, 1)) / np.pi
    assert not distance.diagonal().any()
    assert (np.bitwise_count(made[:40] ^ made[40:]).sum(axis=1) > 505).all()
    if dim >= 64:
        assert np.abs(distance - expected).max() < 120


def test_a_code_does_not_depend_on_its_batch() -> None:
    """Alone or among others: the same bytes."""
    vectors = units(50, 512)
    together = codes(vectors)
    assert all((codes(vectors[n : n + 1])[0] == together[n]).all() for n in range(50))


def test_nothing_is_kept_where_images_are_off() -> None:
    """Dimension 0 takes no image and allocates nothing."""
    images = Images(0)
    images.put(np.array([0, 1]), [b"", units(1, 4)[0].astype("<f2").tobytes()])
    assert len(images) == 0
    assert images.known(2).tolist() == [False, False]
    assert images.odd == 0


def test_nothing_is_allocated_before_the_first_image() -> None:
    """Items without images cost no memory."""
    images = Images(512)
    images.put(np.arange(3), [b""] * 3)
    assert len(images) == 0
    assert images.known(3).tolist() == [False] * 3
    assert images.cosines(np.arange(3), units(1, 512)[0]).tolist() == [0, 0, 0]


def test_images_of_another_size_or_not_finite_are_counted_and_not_taken() -> None:
    """The item stays without an image, also one that had one before."""
    images, one = Images(4), units(1, 4)
    images.put(np.array([0, 1, 2]), raw(units(3, 4)))
    broken = np.array([[np.nan, 0, 0, 0]])
    images.put(np.array([0, 1]), [raw(units(1, 5))[0], raw(broken)[0]])
    assert images.odd == 2
    assert images.known(3).tolist() == [False, False, True]
    assert images.cosines(np.array([0, 1]), one[0]).tolist() == [0, 0]


def test_cosines_are_exact_and_unknown_rows_have_none() -> None:
    """Rows past the end and below 0 count as rows without an image."""
    vectors = units(20, 32)
    images = Images(32)
    images.put(np.arange(20, dtype=np.int32), raw(vectors))
    found = images.cosines(np.array([3, 99, -1, 7]), vectors[3])
    assert found[0] == pytest.approx(1, abs=1e-3)
    assert found[1:3].tolist() == [0, 0]
    assert found[3] == pytest.approx(float(vectors[3] @ vectors[7]), abs=1e-3)
    assert images.having(np.array([5, -1, 40, 2])).tolist() == [5, 2]


def test_growth_keeps_images_and_their_codes() -> None:
    """Beyond the first room, in a jump and in steps: what was there is there."""
    vectors = units(30, 8)
    images = Images(8)
    images.put(np.arange(10, dtype=np.int32), raw(vectors[:10]))
    before = images.distances(vectors[20])
    images.put(np.array([CAPACITY + 5], np.int32), raw(vectors[10:11]))
    images.put(np.array([2 * CAPACITY + 7], np.int32), raw(vectors[11:12]))
    assert len(images) == 2 * CAPACITY + 8
    assert images.distances(vectors[20])[:10].tolist() == before.tolist()
    rows = np.array([*range(10), CAPACITY + 5, 2 * CAPACITY + 7])
    expected = vectors[:12] @ vectors[20]
    np.testing.assert_allclose(images.cosines(rows, vectors[20]), expected, atol=2e-3)
    assert int(images.known(len(images)).sum()) == 12


def test_a_catalogue_that_grows_and_forgets_keeps_its_images() -> None:
    """More items than it began with; an item that comes again without an image loses it; a deleted one may return."""
    vectors = units(200, 16)
    catalogue = sample(["first"], dim=16, image=raw(vectors[:1]))
    for n in range(1, 200):
        catalogue.upsert([sample_entry(f"i{n}", image=raw(vectors[n : n + 1])[0] if n % 3 else b"")])
    expected = [n == 0 or n % 3 != 0 for n in range(200)]
    assert catalogue.images.known(200).tolist() == expected
    np.testing.assert_allclose(catalogue.images.vectors(np.array([0, 199])), vectors[[0, 199]], atol=1e-3)
    catalogue.upsert([sample_entry("i1")])
    assert not catalogue.images.known(200)[1]
    catalogue.delete("i2")
    catalogue.upsert([sample_entry("i2", image=raw(vectors[2:3])[0])])
    assert catalogue.images.known(200)[2]
