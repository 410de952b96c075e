"""Which encoder the intent head reads, and what fits what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.base.artifact import Artifact, ArtifactKind, Manifest, write
from models.base.errors import ArtifactError
from models.base.onnx_session import Port
from models.base.paths import DATA
from streams.artifacts.opening import artifact_path, built_path, check_fit, head_encoder, needed, open_artifacts
from streams.settings import Settings

PORT = Port("x", (1,), "float32")


def artifact(folder: Path, kind: ArtifactKind, content: bytes, requires: dict[str, str] | None = None) -> Artifact:
    """An artifact of one file that no session opens."""
    manifest = Manifest(
        kind=kind, name="tiny", created_from={}, inputs=(PORT,), outputs=(PORT,), licence="MIT", requires=requires or {}
    )
    return write(folder, manifest, {"model.onnx": content})


@pytest.mark.parametrize("reads", ["encoder", "intent-encoder"])
def test_a_head_reads_the_encoder_that_it_was_made_for(tmp_path: Path, reads: str) -> None:
    """The encoder in use if that is the one, else the intent-encoder, which is then needed and must fit."""
    settings = Settings(device="cpu", artifacts=str(tmp_path))
    versions = {
        kind: artifact(tmp_path / kind, "encoder", kind.encode()).version for kind in ("encoder", "intent-encoder")
    }
    head = artifact(tmp_path / "intent", "intent", b"head", {"encoder": versions[reads]})
    assert head_encoder(settings) == reads
    own = ["intent-encoder"] if reads == "intent-encoder" else []
    assert needed(settings) == [*own, "encoder", "intent", "ranker"]
    check_fit(head, versions, settings)
    tower = artifact(tmp_path / "item-tower", "item-tower", b"tower", {"encoder": versions["encoder"]})
    check_fit(tower, versions, settings)
    with pytest.raises(ArtifactError, match="streamrank artifact build item-tower"):
        check_fit(tower, {"encoder": versions["intent-encoder"]}, settings)


def test_an_encoder_may_need_the_other_one_beside_it(tmp_path: Path) -> None:
    """Then that is needed, whatever the head reads."""
    settings = Settings(device="cpu", artifacts=str(tmp_path))
    artifact(tmp_path / "intent", "intent", b"head")
    artifact(tmp_path / "encoder", "encoder", b"one", {"intent-encoder": "123456789abc"})
    assert head_encoder(settings) == "encoder"
    assert needed(settings) == ["intent-encoder", "encoder", "intent", "ranker"]


def test_a_head_whose_encoder_is_missing_says_how_to_build_it(tmp_path: Path) -> None:
    """Neither artifact is the one that it was made for: it is the intent-encoder that does not fit."""
    settings = Settings(device="cpu", artifacts=str(tmp_path))
    versions = {"encoder": artifact(tmp_path / "encoder", "encoder", b"one").version}
    head = artifact(tmp_path / "intent", "intent", b"head", {"encoder": "123456789abc"})
    assert head_encoder(settings) == "intent-encoder"
    with pytest.raises(ArtifactError, match="123456789abc"):
        check_fit(head, versions | {"intent-encoder": "another"}, settings)


def test_the_artifacts_in_use_open_together() -> None:
    """Those of this checkout: the head has its encoder, of the version that it asks for."""
    opened = open_artifacts(Settings(device="cpu"))
    reads = opened.intent_encoder or opened.encoder
    assert reads.name == "use-multilingual-v3"


def test_a_shops_ranker_is_its_own_and_encoders_are_shared(tmp_path: Path) -> None:
    """What one shop learnt is not read by another, nor by a deployment without a name; what is shared, by all."""
    plain = Settings(device="cpu", artifacts=str(tmp_path))
    anna, other = replace(plain, shop="anna"), replace(plain, shop="other")
    artifact(built_path(anna, "ranker"), "ranker", b"anna's")
    artifact(built_path(anna, "encoder"), "encoder", b"everybody's")
    assert artifact_path(anna, "ranker") == tmp_path / "shops" / "anna" / "ranker"
    assert artifact_path(other, "ranker") == artifact_path(plain, "ranker") == DATA / "artifacts" / "ranker"
    assert {artifact_path(settings, "encoder") for settings in (plain, anna, other)} == {tmp_path / "encoder"}
    artifact(built_path(plain, "ranker"), "ranker", b"for all")
    assert artifact_path(anna, "ranker") == tmp_path / "shops" / "anna" / "ranker"
    assert artifact_path(other, "ranker") == tmp_path / "ranker"
