"""The secret behind the students' numbers: made once, kept beside the output, never shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path

from cellgrad.errors import InputError
from cellgrad.files import read_limited

BYTES = 32
_LENGTH = 2 * BYTES
_MOST = 4096
_TOKEN_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # noqa: S105 - the letters, not a secret
_TOKEN_LENGTH = 16
TOKEN = re.compile(rf"CG-([{_TOKEN_LETTERS}]{{4}}-){{3}}[{_TOKEN_LETTERS}]{{4}}")
"""What a workbook's own token looks like, wherever it is found."""

_HEAD = """\
# The secret of a cellgrad assignment: every student's own numbers are made from it.
# Keep this file where only those who set the course can read it, with a copy in a safe
# place: with it the same handouts can be made again. Who has it can work out any
# student's numbers beforehand. Never put it among the handouts, nor into a shared folder.
"""


def secret_beside(output: Path, assignment_id: str) -> Path:
    """Return where the secret of an assignment lies: beside its output, not in it."""
    return Path(os.path.abspath(output)).parent / f"{assignment_id}.secret"  # noqa: PTH100 - links stay


def read_secret(path: Path) -> bytes:
    """Return the secret that a file keeps.

    Raises:
        InputError: the file cannot be read, or holds no secret.
    """
    text = read_limited(path, _MOST).decode("utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    plain = len(words) == 1 and re.fullmatch(rf"[0-9a-fA-F]{{{_LENGTH}}}", words[0])
    if not plain:
        raise InputError(
            "holds no secret",
            file=path,
            remedy="restore your copy of it; or, where nothing was handed out yet, remove it "
            "and a new one is made",
        )
    return bytes.fromhex(words[0])


def new_secret() -> bytes:
    """Return a fresh secret."""
    return secrets.token_bytes(BYTES)


def write_secret(path: Path, secret: bytes) -> None:
    """Write a new secret that only its owner may read; an existing file is never touched.

    Raises:
        InputError: there is a file already, or the place cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(f"{_HEAD}{secret.hex()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise InputError(
            f"the secret cannot be written ({getattr(error, 'strerror', None) or error})",
            file=path,
            remedy="name another place with --secret",
        ) from error


def derived(secret: bytes, purpose: str, *parts: str | int) -> bytes:
    """Return what a secret makes of words: HMAC-SHA256, no two lists of words alike."""
    message = json.dumps([purpose, *parts], ensure_ascii=True, separators=(",", ":"))
    return hmac.new(secret, message.encode(), hashlib.sha256).digest()


def token_of(secret: bytes, assignment_id: str, version: str, student_id: str) -> str:
    """Return the token of a student's workbook: it says nothing about the student.

    Args:
        secret: of the assignment.
        assignment_id: the assignment's id.
        version: of what is asked; two assignments of one id and secret have other tokens.
        student_id: whose it is.
    """
    made = derived(secret, "token", assignment_id, version, student_id)
    return token_from(int.from_bytes(made, "big"))


def token_from(number: int) -> str:
    """Return a number as a token."""
    letters = []
    for _ in range(_TOKEN_LENGTH):
        number, letter = divmod(number, len(_TOKEN_LETTERS))
        letters.append(_TOKEN_LETTERS[letter])
    text = "".join(letters)
    return "CG-" + "-".join(text[n : n + 4] for n in range(0, _TOKEN_LENGTH, 4))


class Stream:
    """Numbers drawn from a key; the same key draws the same numbers."""

    def __init__(self, key: bytes) -> None:
        self._key, self._block, self._bytes = key, 0, b""

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to ``limit`` − 1, each as likely."""
        fair = (1 << 32) // limit * limit
        while True:
            if len(self._bytes) < 4:
                message = self._block.to_bytes(8, "big")
                self._bytes = hmac.new(self._key, message, hashlib.sha256).digest()
                self._block += 1
            number = int.from_bytes(self._bytes[:4], "big")
            self._bytes = self._bytes[4:]
            if number < fair:
                return number % limit
