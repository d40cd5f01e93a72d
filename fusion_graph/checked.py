"""Values that users set: a model whose every complaint names the field, the value and what is allowed."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema

from fusion_graph.errors import SettingsError, did_you_mean

_SHOWN_CHARS = 200  # of a value, in messages


class Checked(BaseModel):
    """A model whose every complaint is a `SettingsError` that names field, value and what is allowed."""

    # Infinity and NaN are no JSON: checkpoints and events could not carry them.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    _summary: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Add the fields to what `help()` shows."""
        cls._summary = inspect.cleandoc(cls.__doc__ or "")
        fields = [f"    {name}: {info.description}" for name, info in cls.model_fields.items() if info.description]
        cls.__doc__ = "\n".join([cls._summary, "", "Fields:", *fields]) if fields else cls._summary

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema, whose description is no list of fields: it has them."""
        made = handler.resolve_ref_schema(handler(schema))
        return made | ({"description": cls._summary} if "description" in made else {})

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            hint = f"give an object with any of: {', '.join(sorted(cls.model_fields))}"
            raise SettingsError(f"{shown(data)} is no object of settings", field="", value=data, hint=hint)
        _refuse_unknown(data, set(cls.model_fields))
        try:
            return handler(dict(data))
        except ValidationError as error:
            raise _explained(error, cls) from None


def placed(error: SettingsError, where: str) -> SettingsError:
    """Return `error` with the place it is about in front of its message."""
    error.args = (f"{where}: {error}",)
    return error


def _refuse_unknown(data: Mapping[str, Any], known: set[str]) -> None:
    for key in data:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise SettingsError(f"unknown setting {shown(key)}", field=str(key), value=data[key], hint=hint)


def _explained(error: ValidationError, model: type[BaseModel]) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name, *inner = (str(part) for part in first["loc"])
    field = ".".join([name, *inner])
    if first["type"] == "missing":
        return SettingsError(f"{field} is missing", field=field, hint=_allowed(model, name))
    said = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    message = f"{field} = {shown(first['input'])}: {said}"
    return SettingsError(message, field=field, value=first["input"], hint=_allowed(model, name))


def _allowed(model: type[BaseModel], name: str) -> str:
    info = model.model_fields[name]
    if get_origin(info.annotation) is Literal:
        return "one of: " + ", ".join(repr(value) for value in get_args(info.annotation))
    return f"{name}: {info.description}"


def shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
