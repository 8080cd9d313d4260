"""Detached signatures: a bundle without a valid one is refused where a key is given."""

from __future__ import annotations

import hashlib

import pytest

from asdkit.bundle import Bundle
from asdkit.bundle.signature import SIZE, Signer
from asdkit.errors import AsdkitError, DataError, ExitCode, UsageError
from tests.helpers.rooms import write_clip

pytest.importorskip("cryptography")


def write_keys(folder, kind="ed25519", passphrase=None):
    """Write ``key.pem`` and ``pub.pem``."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    locked = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    folder.mkdir(exist_ok=True)
    (folder / "key.pem").write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked))
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    (folder / "pub.pem").write_bytes(public)
    return folder / "key.pem", folder / "pub.pem"


@pytest.fixture
def signed(tmp_path, exported):
    """A signed copy of the bundle, and the public key."""
    key, public = write_keys(tmp_path)
    path = tmp_path / "fan.asdkit"
    path.write_bytes(exported.read_bytes())
    (tmp_path / "fan.asdkit.sig").write_bytes(Signer(key).sign(path.read_bytes()))
    return path, public


def test_a_signed_bundle_opens(signed, registry):
    path, public = signed
    assert Bundle.load(path, registry=registry, verify=public).ids == ["00", "02"]


def test_any_changed_bit_of_a_signature_is_refused(signed):
    path, public = signed
    signature = path.with_name("fan.asdkit.sig")
    data = signature.read_bytes()
    assert len(data) == SIZE
    for wrong in (
        *(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(SIZE)),
        b"",
        data[:-1],
        data + b"\n",
    ):
        signature.write_bytes(wrong)
        with pytest.raises(DataError, match=r"the signature fan\.asdkit\.sig is not of this file by the key"):
            Bundle.load(path, verify=public)


def test_another_bundle_or_key_is_refused(signed, tmp_path):
    path, public = signed
    _, other = write_keys(tmp_path / "other")
    with pytest.raises(DataError, match="is not of this file"):
        Bundle.load(path, verify=other)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="is not of this file"):
        Bundle.load(path, verify=public)


def test_a_missing_signature_is_refused(signed):
    path, public = signed
    path.with_name("fan.asdkit.sig").unlink()
    with pytest.raises(DataError, match=r"fan\.asdkit: has no signature: .*fan\.asdkit\.sig: there is no such file"):
        Bundle.load(path, verify=public)


def test_what_is_no_key_is_a_usage_error(signed, tmp_path):
    path, _ = signed
    key, public = write_keys(tmp_path / "ec", kind="ec")
    locked, _ = write_keys(tmp_path / "locked", passphrase=b"secret")
    (tmp_path / "text.pem").write_text("no key")
    cases = [
        (lambda: Bundle.load(path, verify=public), "not a public key of the kind Ed25519"),
        (lambda: Bundle.load(path, verify=key), "not a public key in PEM form"),
        (lambda: Bundle.load(path, verify=tmp_path / "none.pem"), "none.pem: there is no such file"),
        (lambda: Bundle.load(path, verify=tmp_path), "not a file"),
        (lambda: Signer(key), "not a private key of the kind Ed25519"),
        (lambda: Signer(locked), "the key has a passphrase"),
        (lambda: Signer(tmp_path / "text.pem"), "text.pem: not a private key in PEM form"),
    ]
    for call, words in cases:
        with pytest.raises(UsageError, match=words) as caught:
            call()
        assert len(caught.value.message.splitlines()) == 1
        assert caught.value.hint


def test_signing_without_cryptography_names_the_extra(signed, monkeypatch):
    path, public = signed
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(AsdkitError, match="signatures need the package cryptography") as caught:
        Bundle.load(path, verify=public)
    assert "asdkit[sign]" in caught.value.hint


def test_commands_sign_verify_and_print_the_digest(asdkit, run, tmp_path):
    write_keys(tmp_path)
    write_clip(tmp_path / "a.wav", 1)
    options = ("--system", "both", "--machine", "fan", "-o", "a.asdkit")
    result = asdkit("export", run, *options, "--sign", "key.pem")
    assert result.returncode == 0, result.stderr
    digest = hashlib.sha256((tmp_path / "a.asdkit").read_bytes()).hexdigest()
    assert f"SHA-256 {digest}; signature: a.asdkit.sig" in result.stderr
    assert asdkit("score", "a.asdkit", "a.wav", "--verify", "pub.pem").returncode == 0
    assert asdkit("score", run, "a.wav", "--verify", "pub.pem").returncode == ExitCode.USAGE
    assert asdkit("score", "a.asdkit", "a.wav", "--verify", "key.pem").returncode == ExitCode.USAGE
    (tmp_path / "a.asdkit.sig").unlink()
    for command, source in (("score", "a.wav"), ("watch", "."), ("listen", "a.wav")):
        result = asdkit(command, "a.asdkit", source, "--verify", "pub.pem")
        assert (result.returncode, result.stdout) == (ExitCode.DATA, "")
        assert "a.asdkit: has no signature" in result.stderr
