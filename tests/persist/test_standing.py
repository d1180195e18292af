"""How far a snapshot is believed, and which files give a key to be trusted."""

import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from perdure.persist import snapshot
from perdure.persist.standing import Level, Standing, TrustedKey, TrustKeyError
from perdure.persist.trust import KEY_FILE, Policy, Signer

EX_DATAERR = 65
EX_NOPERM = 77


def pem(public: bytes) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("written", ["hex", "upper", "pem"])
def test_a_key_is_read_from_a_line_or_from_pem(
    written: str, signer: Signer, tmp_path: Path
) -> None:
    public = signer.public
    forms = {
        "hex": public.hex().encode() + b"\n",
        "upper": b"  " + public.hex().upper().encode() + b"\r\n",
        "pem": pem(public),
    }
    path = tmp_path / "alice.pub"
    path.write_bytes(forms[written])
    assert TrustedKey.of_file(path) == TrustedKey("alice.pub", public)


def rsa() -> bytes:
    key = generate_private_key(65537, 1024).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it holds no public key"),
        (b"3b" * 31, "it holds no public key"),
        (b"3b" * 33, "it holds no public key"),
        (b"zz" * 32, "it holds no public key"),
        (b"3b" * 32 + b"\n" + b"3b" * 32, "it holds no public key"),
        (b"\xff\xfe\0" * 100_000, "it holds no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it holds no public key"),
        (rsa(), "it is not an Ed25519 key"),
    ],
)
def test_a_file_without_such_a_key_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "alice.pub"
    path.write_bytes(content)
    with pytest.raises(TrustKeyError, match=reason) as caught:
        TrustedKey.of_file(path)
    assert str(path) in str(caught.value)
    assert "appconvert --key" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == EX_DATAERR


def test_a_private_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    Signer.of_user(tmp_path)
    with pytest.raises(TrustKeyError, match="it holds a private key") as caught:
        TrustedKey.of_file(tmp_path / KEY_FILE)
    secret = (tmp_path / KEY_FILE).read_text().splitlines()[1]
    assert secret not in str(caught.value)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_change_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "alice.pub"
    path.write_text("3b" * 32)
    path.chmod(mode)
    with pytest.raises(TrustKeyError, match=f"mode {mode:04o}.*chmod 644"):
        TrustedKey.of_file(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alice.pub"
    path.write_text("3b" * 32)
    os.chown(path, 12345, -1)
    with pytest.raises(TrustKeyError, match="it belongs to user 12345"):
        TrustedKey.of_file(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "missing", "there is no such file"),
        (tmp_path, "it is not a file"),
        (tmp_path / "pipe", "it is not a file"),
    ):
        with pytest.raises(TrustKeyError, match=reason):
            TrustedKey.of_file(path)


def test_the_three_levels(folder: Path, signer: Signer, tmp_path: Path) -> None:
    alice = Signer.of_user(tmp_path / "alice")
    keys = [TrustedKey("bob.pub", bytes(32)), TrustedKey("alice.pub", alice.public)]
    path = folder / "web.snap"

    def standing(by: Signer | None, trusted: list[TrustedKey]) -> Standing:
        snapshot.write(path, [1], application="web", holds="blueprint", signer=by)
        found = snapshot.read(path)
        # Only for one's own work all names are allowed.
        own = found.policy(signer) == Policy.everything()
        assert own is (by is signer)
        return Standing.of(found, signer, trusted)

    assert standing(signer, keys) == Standing(Level.OWN, "signed by you")
    assert standing(alice, keys).level is Level.TRUSTED
    assert standing(alice, keys).said == "signed by a trusted key, alice.pub"
    assert standing(alice, []).level is Level.UNSIGNED
    assert alice.public.hex() in standing(alice, []).said
    assert standing(None, keys).level is Level.UNSIGNED
    assert standing(None, keys).said == "not signed"


@pytest.mark.parametrize("syntax", ["xml", "source"])
def test_a_text_of_a_trusted_key_that_names_more_is_unsigned(
    syntax: str, folder: Path, signer: Signer, tmp_path: Path
) -> None:
    alice = Signer.of_user(tmp_path / "alice")
    path = folder / f"web.snap.{'xml' if syntax == 'xml' else 'py'}"
    content = {"what": "a", "a": 1}
    snapshot.write(path, content, application="web", holds="blueprint", signer=alice, syntax=syntax)
    keys = [TrustedKey("alice.pub", alice.public)]
    assert Standing.of(snapshot.read(path), signer, keys).level is Level.TRUSTED
    path.write_text(
        re.sub("[\"']web[\"']", repr("wob") if syntax == "source" else '"wob"', path.read_text())
    )
    found = Standing.of(snapshot.read(path), signer, keys)
    assert found.level is Level.UNSIGNED
    assert "changed since it was signed" in found.said
