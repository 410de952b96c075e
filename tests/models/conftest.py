"""The encoder, built once into the checkout's cache and opened once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.base.artifact import Artifact, current_version
from models.base.paths import DATA
from models.text.encoder import Encoder
from models.text.encoder_build import build_encoder
from models.text.words import Words
from streams.artifacts.opening import artifact_path
from streams.settings import Settings


@pytest.fixture(scope="session")
def intent_path() -> Path:
    """The shipped intent artifact."""
    return DATA / "artifacts" / "intent"


@pytest.fixture(scope="session")
def encoder_path(intent_path: Path) -> Path:
    """The encoder that the intent head needs; built when it is absent."""
    wanted = Artifact.load(intent_path).manifest.requires["encoder"]
    paths = [artifact_path(Settings(), kind) for kind in ("encoder", "intent-encoder")]
    found = next((path for path in paths if current_version(path) == wanted), None)
    return found or build_encoder(paths[1]).path


@pytest.fixture(scope="session")
def encoder(encoder_path: Path) -> Encoder:
    """The encoder on the CPU."""
    return Encoder(encoder_path, device="cpu")


@pytest.fixture(scope="session")
def words() -> Words:
    """jieba's dictionary, read once."""
    return Words.load()
