"""JavaScript that lies in the repository as its publishers made it: fetched from npm by a manifest, with hashes.

``python -m tests.support.vendored FOLDER`` fetches every file that FOLDER/manifest.json names, and writes its hash
there. To take a newer version, change it in the manifest and run this again.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import msgspec

__all__ = ["Vendored", "fetch", "manifest"]


class Vendored(msgspec.Struct, omit_defaults=True):
    """One file: ``file`` is ``from`` of a package, with one text ``replaced`` by another where it would not load as it
    is; ``sha256``: of what lies here.
    """

    package: str
    version: str
    licence: str
    source: str = msgspec.field(name="from")
    file: str
    replaced: tuple[str, str] | None = None
    sha256: str = ""


def manifest(folder: Path) -> list[Vendored]:
    """The files of a folder."""
    return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=list[Vendored])


def fetch(folder: Path) -> None:
    """Write the files of a folder's manifest, and their hashes into it."""
    files = manifest(folder)
    with tempfile.TemporaryDirectory() as there:

        @cache
        def packed(package: str) -> Path:
            done = subprocess.run(["npm", "pack", "--silent", package], cwd=there, check=True, capture_output=True)
            return Path(there) / done.stdout.decode().split()[-1]

        for one in files:
            with tarfile.open(packed(f"{one.package}@{one.version}")) as archive:
                member = archive.extractfile(f"package/{one.source}")
                assert member is not None
                text = member.read().decode()
            if one.replaced is not None:
                text = text.replace(*one.replaced)
            text = "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")) + "\n"
            (folder / one.file).write_text(text)
            one.sha256 = hashlib.sha256(text.encode()).hexdigest()
    lines = ",\n  ".join(msgspec.json.encode(one).decode() for one in files)
    (folder / "manifest.json").write_text(f"[\n  {lines}\n]\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        fetch(Path(name))
