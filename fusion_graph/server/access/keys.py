"""Who may ask: API keys, of which only hashes are kept, and the owners of runs that they stand for."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path

from fusion_graph.errors import SettingsError

VARIABLE, FILE_VARIABLE = "FUSION_API_KEYS", "FUSION_API_KEYS_FILE"
_SHORTEST = 16  # characters of a key that nobody guesses
_PLAIN = ":plain"  # after a key: its client knows OpenAI's own items and events only


class Keys:
    """The keys of a server. Without any, everybody is the owner ``""``: for the loopback only."""

    def __init__(self, keys: Sequence[str] = (), variable: str = VARIABLE) -> None:
        bare = [key.removesuffix(_PLAIN) for key in keys]
        for key in bare:
            if len(key) < _SHORTEST:
                raise SettingsError(
                    f"an API key of {len(key)} characters is too short",
                    field=variable,
                    hint=f"use {_SHORTEST} or more: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
                )
        self._hashes = [_hash(key) for key in bare]
        self._plain = {_owner_of(_hash(key.removesuffix(_PLAIN))) for key in keys if key.endswith(_PLAIN)}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Keys":
        """Return the keys of FUSION_API_KEYS (comma-separated) and of the file FUSION_API_KEYS_FILE (one a line).

        A key that ends in `:plain` is for a client that takes no items and events but OpenAI's own.

        Raises:
            SettingsError: a key is too short, there is none in what is set, or the file cannot be read.
        """
        given = environ.get(VARIABLE, "").strip()
        found = [key.strip() for key in given.split(",")]
        if path := environ.get(FILE_VARIABLE, "").strip():
            try:
                lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
            except OSError as error:
                hint = "name a readable file with one key a line"
                raise SettingsError(
                    f"{FILE_VARIABLE} = {path!r} cannot be read: {error.strerror}",
                    field=FILE_VARIABLE,
                    value=path,
                    hint=hint,
                ) from error
            found += [line.strip() for line in lines if not line.lstrip().startswith("#")]
        found = [key for key in found if key]
        if (given or path) and not found:
            field, value = (VARIABLE, given) if given else (FILE_VARIABLE, path)
            hint = "give it a key, or unset it: the server then answers its own machine only"
            raise SettingsError(f"{field} = {value!r} holds no key", field=field, value=value, hint=hint)
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def owner(self, authorization: str | None) -> str | None:
        """Return whose request it is by its header, None if it has no right. Every key is compared, in constant time."""
        if not self._hashes:
            return ""
        scheme, _, key = (authorization or "").partition(" ")
        given = _hash(key.strip()) if scheme.lower() == "bearer" else ""
        matches = [known for known in self._hashes if hmac.compare_digest(known, given)]
        return _owner_of(matches[0]) if matches else None

    def is_plain(self, owner: str) -> bool:
        """Return whether an owner's client knows OpenAI's own items and events only."""
        return owner in self._plain


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _owner_of(key_hash: str) -> str:
    return key_hash[:16]
