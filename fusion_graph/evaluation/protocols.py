"""How answers are graded: what the grader is asked, with which settings, and how its reply is read.

A protocol is named by the hash of its prompt: figures of two protocols are never compared. The response that is graded
stands between fence marks, so that nothing in it can speak for the grader.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fusion_graph.checked import placed, shown
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.evaluation.prompted import CONFIG, Prompted, Words
from fusion_graph.evaluation.shapes import Criterion


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Protocol(Prompted):
    """How one criterion is checked, and how often: the grader sees neither its weight nor the other criteria."""

    REQUIRED: ClassVar[frozenset[str]] = frozenset({"question", "response", "criterion"})
    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"kind"})

    gradings: Annotated[int, Field(gt=0)] = 3
    met: Words
    unmet: Words

    @property
    def words(self) -> Mapping[str, list[str]]:
        """MET and UNMET, in the protocol's words."""
        return {"met": self.met, "unmet": self.unmet}


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class PairProtocol(Prompted):
    """How two answers are compared, where there is no rubric."""

    REQUIRED: ClassVar[frozenset[str]] = frozenset({"question", "first", "second"})

    first: Words
    second: Words
    tie: Words

    @property
    def words(self) -> Mapping[str, list[str]]:
        """The first answer, the second, or neither."""
        return {"first": self.first, "second": self.second, "tie": self.tie}


_Made = TypeVar("_Made", Protocol, PairProtocol)


def kind_of(criterion: Criterion) -> Literal["positive", "negative"]:
    """Return whether a criterion names a virtue or a fault: all that a grader may know of its weight."""
    return "negative" if criterion.weight < 0 else "positive"


def load_protocol(name_or_path: str) -> Protocol:
    """Return a protocol of this package, or the one in a TOML file.

    Raises:
        SettingsError: there is none of that name, the file cannot be read, or a field or a template is not as it must be.
    """
    return _load(Protocol, "criteria", name_or_path)


def load_pair_protocol(name_or_path: str) -> PairProtocol:
    """Return a protocol for pairs, found and refused as `load_protocol` does."""
    return _load(PairProtocol, "pairs", name_or_path)


def _load(kind: type[_Made], heading: str, name: str) -> _Made:
    own = _read(Path(__file__).with_suffix(".toml"))[heading]
    if name in own:
        return _made(kind, {"name": name, **own[name]})
    path = Path(name)
    if path.suffix != ".toml":
        hint = did_you_mean(name, own) + ", or the path of a .toml file"
        raise SettingsError(f"unknown protocol {name!r}", field="protocol", value=name, hint=hint)
    try:
        return _made(kind, {"name": path.stem, **_read(path)})
    except SettingsError as error:
        raise placed(error, name) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        message, hint = f"cannot be read: {error.strerror}", "name a readable file"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message, hint = f"is not valid TOML: {error}", "texts of several lines stand between three quotation marks"
    raise SettingsError(message, field="protocol", value=str(path), hint=hint)


def _made(kind: type[_Made], table: Mapping[str, Any]) -> _Made:
    known = [field.name for field in fields(kind)]
    if unknown := [name for name in table if name not in known]:
        hint = did_you_mean(unknown[0], known)
        raise SettingsError(f"unknown field {unknown[0]!r}", field=unknown[0], value=table[unknown[0]], hint=hint)
    try:
        return TypeAdapter(kind).validate_python(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{field} = {shown(first['input'])}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        if first["type"] == "missing":
            message = f"{field} is missing"
        hint = f"a protocol has the fields {', '.join(known)}"
        raise SettingsError(message, field=field, value=first["input"], hint=hint) from None
