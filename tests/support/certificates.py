"""Certificates made by OpenSSL, for tests of what is encrypted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.servers import Certificates

__all__ = ["make_certificates", "missing_openssl"]


def missing_openssl() -> str | None:
    """Why no certificates can be made here, or None."""
    return None if shutil.which("openssl") else "no openssl on PATH: install it"


def make_certificates(folder: Path, name: str = "authority") -> Certificates:
    """An authority of its own, and a server's certificate for 127.0.0.1 that it signed."""
    authority, authority_key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate, key, request = folder / f"{name}-server.pem", folder / f"{name}-server.key", folder / f"{name}.csr"
    extensions = folder / f"{name}.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    _openssl("req", "-x509", *new, "-subj", f"/CN={name}", "-keyout", authority_key, "-out", authority)
    _openssl("req", *new, "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request)
    _openssl(
        "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2",
        "-extfile", extensions, "-out", certificate,
    )  # fmt: skip
    return Certificates(authority, certificate, key)


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
