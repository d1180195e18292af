"""This user's key: made once, kept secret, and what it signs."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from perdure.persist.trust import KEY_FILE, KeyFileError, Signer, verify

EX_NOPERM = 77
DIGEST = bytes(range(32))


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    first = Signer.of_user(home)
    assert Signer.of_user(home).public == first.public
    assert os.listdir(home) == [KEY_FILE]
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert Signer.of_user(tmp_path / "other").public != first.public


def test_a_signature_holds_for_its_key_and_digest_alone(signer: Signer, tmp_path: Path) -> None:
    signature = signer.sign(DIGEST)
    assert (len(signer.public), len(signature)) == (32, 64)
    assert verify(signer.public, DIGEST, signature)
    assert not verify(signer.public, DIGEST[::-1], signature)
    assert not verify(signer.public, DIGEST, signature[::-1])
    assert not verify(Signer.of_user(tmp_path).public, DIGEST, signature)
    assert not verify(b"too short", DIGEST, signature)


def test_the_key_signs_when_its_file_cannot_be_read_any_more(tmp_path: Path) -> None:
    signer = Signer.of_user(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    assert verify(signer.public, DIGEST, signer.sign(DIGEST))


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"PERDURE_HOME": "p", "XDG_CONFIG_HOME": "x", "HOME": "h"}, "p"),
        ({"XDG_CONFIG_HOME": "x", "HOME": "h"}, "x/perdure"),
        ({"HOME": "h"}, "h/.config/perdure"),
        ({"PERDURE_HOME": "", "XDG_CONFIG_HOME": "", "HOME": "h"}, "h/.config/perdure"),
    ],
)
def test_the_folder_of_the_key(
    variables: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PERDURE_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value and str(tmp_path / value))
    Signer.of_user()
    assert (tmp_path / place / KEY_FILE).exists()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Signer.of_user(tmp_path)
    for mode in (0o640, 0o604, 0o622):
        (tmp_path / KEY_FILE).chmod(mode)
        with pytest.raises(KeyFileError, match=f"mode {mode:04o}") as caught:
            Signer.of_user(tmp_path)
        assert caught.value.exit_status == EX_NOPERM
        assert "chmod 600" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    Signer.of_user(tmp_path)
    os.chown(tmp_path / KEY_FILE, 12345, -1)
    with pytest.raises(KeyFileError, match="it belongs to user 12345, not to 0"):
        Signer.of_user(tmp_path)


def test_a_key_that_is_damaged_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    Signer.of_user(tmp_path)
    path = tmp_path / KEY_FILE
    whole = path.read_bytes()
    rsa = generate_private_key(65537, 1024).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for content in (b"", whole[:60], whole.replace(b"M", b"N")):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match="it is damaged; put it back from a copy"):
            Signer.of_user(tmp_path)
    path.write_bytes(rsa)
    with pytest.raises(KeyFileError, match="it is not an Ed25519 key"):
        Signer.of_user(tmp_path)


def test_a_folder_or_a_pipe_in_place_of_the_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.mkdir()
    with pytest.raises(KeyFileError, match="it is not a file"):
        Signer.of_user(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(KeyFileError, match="it is not a file"):
        Signer.of_user(tmp_path)


def test_a_place_where_no_key_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match=r"Not a directory; name a folder.*PERDURE_HOME"):
        Signer.of_user(tmp_path / "file")
    with pytest.raises(KeyFileError):
        Signer.of_user(Path("/proc/perdure"))


def test_the_key_never_shows_and_is_never_saved(signer: Signer) -> None:
    assert "rivate" not in repr(signer)
    with pytest.raises(TypeError, match="never leaves its file"):
        pickle.dumps(signer)


MAKE = """
import sys
from pathlib import Path
from perdure.persist.trust import Signer
import cryptography.hazmat.primitives.asymmetric.ed25519, cryptography.hazmat.primitives.serialization
print("ready", flush=True)
sys.stdin.read()
print(Signer.of_user(Path(sys.argv[1])).public.hex())
"""


def test_processes_that_start_together_make_one_key(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, tmp_path / "home"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    keys = {process.communicate()[0] for process in started}
    assert len(keys) == 1
    assert os.listdir(tmp_path / "home") == [KEY_FILE]
