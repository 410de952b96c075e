"""An artifact: a model folder with its manifest.

::

    encoder/
      manifest.json   what it is, from what it was made, what it takes and gives, its figures, its hashes
      model.onnx      the graph
      sp.model        whatever else the model needs at run time

The version is a hash of the files' hashes: the same bytes are the same version on every machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import msgspec

from models.base.errors import ArtifactError, SessionError
from models.base.onnx_session import OnnxSession, Port, open_session

MANIFEST = "manifest.json"
REBUILD = "rebuild it with `streamrank artifact build {kind}`, or restore the folder from its source."
ArtifactKind = Literal["encoder", "intent", "ranker", "image-encoder", "item-tower"]


class FileRecord(msgspec.Struct, frozen=True):
    """A file of the artifact: its SHA-256 in hex and its size in bytes."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about an artifact. ``version`` is empty until the files are hashed."""

    kind: ArtifactKind
    name: str
    version: str = ""
    graph: str = "model.onnx"
    created_from: dict[str, str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    figures: dict[str, float | str] = {}
    files: dict[str, FileRecord] = {}
    licence: str
    requires: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model folder whose manifest was read and whose files are there with the right sizes."""

    path: Path
    manifest: Manifest

    @classmethod
    def load(cls, path: Path | str) -> Artifact:
        """Read the manifest and look at each file's size (cheap; ``verify`` reads the contents too).

        Raises ``ArtifactError`` naming the file, what was expected and what was found.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        for name, record in manifest.files.items():
            found = _size(folder / name)
            if found != record.bytes:
                size = "no file" if found is None else f"{found} bytes"
                raise ArtifactError(folder, name, f"{record.bytes} bytes", size, _remedy(manifest))
        if manifest.graph not in manifest.files:
            raise ArtifactError(folder, "graph", f"one of {sorted(manifest.files)}", manifest.graph, _remedy(manifest))
        return cls(folder, manifest)

    @property
    def version(self) -> str:
        """12 hex digits that name the files' contents."""
        return self.manifest.version

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.path / self.manifest.graph

    def file(self, name: str) -> Path:
        """Path of a file that the manifest lists; raises ``ArtifactError`` when it lists none such."""
        if name not in self.manifest.files:
            raise ArtifactError(self.path, name, "a file of this artifact", "none", _remedy(self.manifest))
        return self.path / name

    def require(self, kind: str, version: str) -> None:
        """Check that this artifact was made for ``kind`` at ``version``; raises ``ArtifactError`` if not."""
        wanted = self.manifest.requires.get(kind)
        if wanted is not None and wanted != version:
            again = f"streamrank artifact build {self.manifest.kind}"
            remedy = f"build it for this {kind} with `{again}`, or bring back {kind} {wanted}."
            raise ArtifactError(self.path, f"requires.{kind}", wanted, version, remedy)


def verify(path: Path | str) -> Artifact:
    """Check an artifact down to its bytes: sizes, SHA-256, version, and that its graph opens as described.

    Raises ``ArtifactError`` with the first thing that does not fit.
    """
    artifact = Artifact.load(path)
    manifest, folder = artifact.manifest, artifact.path
    for name, record in manifest.files.items():
        found = hash_file(folder / name)
        if found != record.sha256:
            raise ArtifactError(folder, f"{name} sha256", record.sha256, found, _remedy(manifest))
    if manifest.version != version_of(manifest.files):
        raise ArtifactError(folder, "version", version_of(manifest.files), manifest.version, _remedy(manifest))
    try:
        session = open_session(artifact.graph, device="cpu")
    except SessionError as error:
        raise ArtifactError(folder, manifest.graph, "an ONNX graph", error.what, _remedy(manifest)) from error
    check_ports(artifact, session)
    return artifact


def check_ports(artifact: Artifact, session: OnnxSession) -> None:
    """Check that an open graph has the manifest's inputs and outputs; raises ``ArtifactError`` if not."""
    manifest = artifact.manifest
    for field, said, is_ in (
        ("inputs", manifest.inputs, session.inputs),
        ("outputs", manifest.outputs, session.outputs),
    ):
        if said != is_:
            raise ArtifactError(artifact.path, field, _show(said), _show(is_), _remedy(manifest))


def write(path: Path | str, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Artifact:
    """Write an artifact beside ``path`` and move it there in one step; returns it loaded.

    ``files`` maps a name to its bytes, or to a file to copy; ``version`` and ``files`` of the manifest are
    filled in here. A running worker sees the old folder or the new one; between the two renames of a
    replacement it may see none, and then keeps what it has until its next look.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    try:
        records = {name: _put(new / name, content) for name, content in sorted(files.items())}
        done = msgspec.structs.replace(manifest, version=version_of(records), files=records)
        text = msgspec.json.format(msgspec.json.encode(done), indent=2)
        (new / MANIFEST).write_bytes(text + b"\n")
        new.chmod(0o755)
        _move_in(new, target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return Artifact.load(target)


def with_figures(artifact: Artifact, path: Path | str, figures: Mapping[str, float | str]) -> Artifact:
    """Write a copy of an artifact to ``path``, as ``write`` does, with ``figures`` before those that it has."""
    manifest = artifact.manifest
    told = msgspec.structs.replace(manifest, figures={**figures, **manifest.figures})
    return write(path, told, {name: artifact.file(name) for name in manifest.files})


def current_version(path: Path | str) -> str | None:
    """The version that lies at ``path`` now, or None when no artifact lies there.

    Cheap enough for every batch: the manifest is parsed again only when the file itself changed.
    """
    try:
        stat = os.stat(Path(path) / MANIFEST)
    except OSError:
        return None
    return _version_at(str(path), stat.st_mtime_ns, stat.st_ino, stat.st_size)


def version_of(files: Mapping[str, FileRecord]) -> str:
    """The version of a set of files: 12 hex digits of the SHA-256 over their names and hashes.

    >>> version_of({"model.onnx": FileRecord("ab", 2)})
    'c78782bc07a8'
    """
    lines = "".join(f"{name} {record.sha256}\n" for name, record in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def hash_file(path: Path) -> str:
    """SHA-256 of a file's contents, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _version_at(path: str, _mtime: int, _inode: int, _size: int) -> str | None:
    try:
        return _read_manifest(Path(path)).version
    except ArtifactError:
        return None


def _read_manifest(folder: Path) -> Manifest:
    kind = folder.name if folder.name in get_args(ArtifactKind) else "KIND"
    remedy = f"build it with `streamrank artifact build {kind}`, or correct the path in the settings."
    try:
        raw = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise ArtifactError(folder, MANIFEST, "a readable file", error.strerror or str(error), remedy) from error
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise ArtifactError(folder, MANIFEST, "a manifest", str(error), remedy) from error


def _put(path: Path, content: bytes | Path) -> FileRecord:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
    return FileRecord(hash_file(path), path.stat().st_size)


def _move_in(new: Path, target: Path) -> None:
    """Rename ``new`` to ``target``; a folder already there is moved aside first and removed afterwards."""
    if not target.exists():
        new.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
    target.rename(old / target.name)
    try:
        new.rename(target)
    except BaseException:
        (old / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _remedy(manifest: Manifest) -> str:
    return REBUILD.format(kind=manifest.kind)


def _show(ports: tuple[Port, ...]) -> str:
    return "; ".join(f"{port.name} {list(port.shape)} {port.dtype}" for port in ports) or "none"
