"""What can go wrong, as a tree a caller can catch.

FusionError
├── SettingsError          a field, a name or a range is not what it must be
├── ModelLoadError         a model name cannot be turned into a model
│   ├── MissingKeyError        its provider needs an environment variable
│   └── MissingPackageError    its integration package is not installed
├── DatabaseError          a database of runs cannot be opened, or stays away
├── RunNotFoundError       no run, or no thread, of that id
├── RunBusyError           another process is at work on it
├── BudgetSpentError       an evaluation has reached what it may cost
└── LeaseLostError         another process took this run over: stop, pay nothing more

Between nodes an error is a value (`schemas.CallError`); these are raised at the surfaces.
"""

import base64
import difflib
import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote


class FusionError(RuntimeError):
    """Base of every error this package raises on purpose. `hint` says what to do about it.

    It is a RuntimeError because LangGraph servers show their clients the words of built-in errors only.
    """

    hint: str | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
            self.add_note(hint)  # which tracebacks show


class SettingsError(FusionError):
    """A setting has an unknown name, an unknown value, or a value out of range.

    `field` names it as the user wrote it, `value` is what was given.
    """

    def __init__(self, message: str, *, field: str, value: object = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.value = value


class ModelLoadError(FusionError):
    """A model name cannot be turned into a model: `what` in words, `needed_by` the model, or the roles it plays."""

    def __init__(self, what: str, *, needed_by: str = "", hint: str | None = None) -> None:
        super().__init__(f"{what} (needed by {needed_by})" if needed_by else what, hint=hint)
        self.what = what


class MissingKeyError(ModelLoadError):
    """The provider of a model needs a key that is not in the environment."""


class MissingPackageError(ModelLoadError):
    """The LangChain integration of a provider is not installed."""


class DatabaseError(FusionError):
    """A database cannot be opened, or has gone away and stays away."""


class RunNotFoundError(FusionError):
    """There is no run of that id."""


class RunBusyError(FusionError):
    """Another process holds the lease of this run's thread."""


class BudgetSpentError(FusionError):
    """An evaluation has spent what it may; what it has paid for is kept."""


class LeaseLostError(FusionError):
    """Another process took this run over; this one must stop without paying for another call."""


def did_you_mean(value: str, allowed: Iterable[str]) -> str:
    """Return a hint that lists `allowed`, led by the nearest name to `value` if one is near."""
    names = sorted(allowed)
    near = difflib.get_close_matches(value, names, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"one of: {', '.join(names)}"


_MARK = "[redacted]"
_SECRET_NAME = re.compile(r"(?i)(KEY|TOKEN|SECRET|PASSWORD|PASSWD)S?(_\d+)?$")
_MIN_SECRET = 8  # shorter values are words; blanking them would garble every message
# Keys are random: they hold a digit or a capital and, behind a prefix that names have as well, a long unbroken run.
# Looking ahead is bounded, or a long text of prefixes would take its square in time.
_PREFIXED_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk[-_](?=[a-z_-]{0,99}[A-Z0-9])[\w-]{12,}"
    r"|(?:pk[-_]|rk_|csk-|xai-|gsk_|tvly-|pplx-|nvapi-|jina_|lsv2_|r8_|fw_|fc-|hf_|xox[a-z]-|gh[a-z]_|github_pat_)"
    r"(?=[a-z_-]{0,99}[A-Z0-9])(?=[\w-]{0,99}[A-Za-z0-9]{16})[\w-]+"
    r"|AIza[\w-]{30,}"  # Google
    r"|AKIA[A-Z0-9]{16}"  # AWS
    r"|(?<![_-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",  # a JSON web token
    re.ASCII,
)
_USERINFO = re.compile(r"(?<=://)(?:[^/?#\s:@\[\]]*:[^/?#\s\[\]]+|[^/?#\s:@\[\]]{16,})(?=@)")
_VALUE = r"[^\s\"',;&()\[\]{}<>]"
_RANDOM = rf"(?={_VALUE}{{0,99}}\d|{_VALUE}{{20}})"
_QUOTE = r"[\"']?"
_NAME = rf"(?:(?:api|access)[-_ ]?key(?: provided)?|(?:access|auth|refresh)[-_ ]?token|client[-_ ]?secret|passw(?:or)?d){_QUOTE}"
_INTRODUCED = "|".join(
    (
        rf"{_NAME}\s?=\s?{_QUOTE}",
        rf"{_NAME}\s?:\s?{_QUOTE}{_RANDOM}",  # not "api_key: required"
        r"[?&](?:key|token|sig|signature)=",
        rf"authorization{_QUOTE}\s?[:=]\s?{_QUOTE}[a-z]+\s+{_RANDOM}",
        rf"\bbearer\s+(?!https?:){_RANDOM}(?={_VALUE}{{16}})",
    )
)
_INTRODUCED_SECRET = re.compile(rf"(?i)({_INTRODUCED}){_VALUE}{{{_MIN_SECRET},}}")


def redact(text: str) -> str:
    """Return `text` without anything that looks like a secret, or is the value of a secret variable."""
    text = _USERINFO.sub(_MARK, text)
    for value in _secret_values():
        text = text.replace(value, _MARK)
    return _INTRODUCED_SECRET.sub(rf"\1{_MARK}", _PREFIXED_KEY.sub(_MARK, text))


def _secret_values() -> list[str]:
    """Return what secret variables hold, alone or in a list, longest first: one may be the beginning of another."""
    held = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    values = {part.strip() for value in held for part in (value, *value.split(","))}
    values |= {form for value in os.environ.values() for form in _of_urls(value)}
    # A part of the mark would be found in the mark itself.
    return sorted((v for v in values if len(v) >= _MIN_SECRET and v not in _MARK), key=len, reverse=True)


def _of_urls(value: str) -> Iterator[str]:
    """Yield the passwords in the URLs of a variable, as they are and as HTTP sends them: servers repeat headers."""
    if "://" not in value or "@" not in value:
        return
    for userinfo in _USERINFO.findall(value):
        name, _, password = unquote(userinfo).partition(":")
        yield password or name
        yield base64.b64encode(f"{name}:{password}".encode()).decode().rstrip("=")
