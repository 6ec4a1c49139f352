"""Names that stand for people and places where the real ones must not: keyed hashes, and the key that makes them.

Standard library only: the intake asks for the tombstones of those who withdrew before any job starts.
"""

import hashlib
import hmac
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from immunosep.errors import InputError

logger = logging.getLogger(__name__)

SECRET_BYTES: Final = 32
_SHOWN: Final = 12  # hexadecimal digits of a surrogate: 48 bits, no two alike among any number of participants
PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]


def secret_path(config: Mapping[str, Any]) -> Path:
    """Return where the secret lies: `privacy.secret`, or the user's own folder for settings."""
    chosen = config["privacy"]["secret"]
    if chosen:
        return Path(chosen).expanduser()
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(settings) / "immunosep" / "secret.key"


def load_secret(path: Path, *, create: bool = False, outside: Iterable[Path] = ()) -> bytes:
    """Read the secret of the surrogates.

    Parameters
    ----------
    path
        File.
    create
        Make the file, with a new random secret, where it is not there.
    outside
        Folders in which it must not lie, besides the project's own.

    Returns
    -------
    bytes
        The secret.

    Raises
    ------
    InputError
        When the file is not there and may not be made, may be read by others, is too short, or lies in a folder that
        is copied, shared or put under version control.
    """
    resolved = path.resolve()
    for folder in (PROJECT_ROOT, *(folder.resolve() for folder in outside)):
        if resolved.is_relative_to(folder):
            raise InputError(
                f"The secret {path} lies inside {folder}, which may be copied or shared with it. Move it elsewhere and "
                "name its place by --secret or privacy.secret."
            )
    if not path.exists():
        if not create:
            raise InputError(
                f"The secret of the surrogates is not at {path}. Give its place by --secret or privacy.secret; without "
                "it nobody can tell who has withdrawn."
            )
        _make_secret(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(f"The secret {path} may be read by others (mode {mode:04o}). Set it to 0600: chmod 600 {path}")
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise InputError(f"The secret {path} is shorter than {SECRET_BYTES} bytes. Restore it from its backup.")
    return secret


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    logger.warning(
        "A new secret for the surrogates was written to %s. Keep a copy in a safe place: without it tombstones cannot "
        "be recognised, and surrogates of the next release differ.",
        path,
    )


def keyed_hash(secret: bytes, *parts: str) -> str:
    """Return the HMAC-SHA256 of names joined by ``|``, as 64 hexadecimal digits."""
    return hmac.new(secret, "|".join(parts).encode(), hashlib.sha256).hexdigest()


def surrogate(secret: bytes, *parts: str, prefix: str) -> str:
    """Return a short name that stands for others: the same in every release made with this secret."""
    return prefix + keyed_hash(secret, *parts)[:_SHOWN]
