"""Detached signatures of bundle files: Ed25519, by the package cryptography (``asdkit[sign]``).

``FILE.sig`` holds the 64 bytes of the signature of all bytes of FILE, as OpenSSL writes and reads them.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from asdkit.errors import DataError, UsageError
from asdkit.text import printable

SIZE: Final = 64
"""Bytes of a signature."""
_MAX_KEY = 1 << 16
_MAKE_KEY = (
    "Make keys with: openssl genpkey -algorithm ed25519 -out KEY.pem; openssl pkey -in KEY.pem -pubout -out PUB.pem"
)


def signature_path(bundle: Path) -> Path:
    """Return the path of the signature of a bundle file."""
    return bundle.with_name(f"{bundle.name}.sig")


class Signer:
    """A private key that signs bundles.

    Raises
    ------
    UsageError
        If the file is no private Ed25519 key without a passphrase, or cryptography is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._key = _load_key(path, private=True)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of a bundle file's content."""
        signature: bytes = self._key.sign(data)
        return signature


def require_signature(bundle: Path, data: bytes, public_key: Path) -> None:
    """Require that the content of a bundle file has a valid signature beside it.

    Raises
    ------
    UsageError
        If the key is no public Ed25519 key, or cryptography is not installed.
    DataError
        If there is no signature, or it is not of this key and content.
    """
    key = _load_key(public_key, private=False)
    from cryptography.exceptions import InvalidSignature

    where, signer, path = printable(str(bundle)), printable(str(public_key)), signature_path(bundle)
    signature = _read(
        path, SIZE + 1, lambda reason: DataError(f"{where}: has no signature: {printable(str(path))}: {reason}")
    )
    try:
        key.verify(signature, data)
    except InvalidSignature:
        raise DataError(
            f"{where}: the signature {printable(path.name)} is not of this file by the key {signer}",
            hint="The bundle was changed, or signed by another key. Do not use it; ask who made it.",
        ) from None


def _load_key(path: Path, *, private: bool) -> Any:
    where = printable(str(path))
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    except ImportError:
        raise UsageError("signatures need the package cryptography", hint="pip install 'asdkit[sign]'") from None
    from cryptography.exceptions import UnsupportedAlgorithm

    content = _read(path, _MAX_KEY, lambda reason: UsageError(f"{where}: {reason}", hint=_MAKE_KEY))
    what = "a private" if private else "a public"
    try:
        key: Any = load_pem_private_key(content, None) if private else load_pem_public_key(content)
    except TypeError:
        raise UsageError(
            f"{where}: the key has a passphrase", hint="Remove it for signing: openssl pkey -in KEY.pem -out PLAIN.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{where}: not {what} key in PEM form", hint=_MAKE_KEY) from None
    kind = ed25519.Ed25519PrivateKey if private else ed25519.Ed25519PublicKey
    if not isinstance(key, kind):
        raise UsageError(f"{where}: not {what} key of the kind Ed25519", hint=_MAKE_KEY)
    return key


def _read(path: Path, limit: int, error: Callable[[str], Exception]) -> bytes:
    """Read at most so many bytes of a regular file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise error("not a file")
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        raise error("there is no such file") from None
    except (OSError, ValueError) as reason:
        raise error(f"cannot be read: {getattr(reason, 'strerror', None) or reason}") from None
