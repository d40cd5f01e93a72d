"""Modules with a guard taken out, for as long as a test needs them."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

_MISSING = object()


@contextmanager
def mutated(module: ModuleType, edits: Mapping[str, str]) -> Iterator[None]:
    """Run a module's functions with other code: its source, each key of `edits` replaced by the value.

    Functions and classes stay the objects they are, so that whoever has imported one runs the new code as well.
    """
    source = inspect.getsource(module)
    for old, new in edits.items():
        assert source.count(old) == 1, f"{module.__name__} says {source.count(old)} times {old!r}: edit this mutant"
        source = source.replace(old, new)
    changed = ModuleType(module.__name__)
    vars(changed).update({name: value for name, value in vars(module).items() if name.startswith("__")})
    exec(compile(source, str(module.__file__), "exec"), vars(changed))  # noqa: S102 - this project's own source
    with ExitStack() as undo:
        for name, value in vars(changed).items():
            if not name.startswith("__"):
                _change(undo, module, name, value)
        yield


def _change(undo: ExitStack, owner: Any, name: str, new: Any) -> None:
    old = vars(owner).get(name, _MISSING)
    if (made := _function(old)) and (wanted := _function(new)):
        for part in ("__code__", "__defaults__", "__kwdefaults__"):
            undo.callback(setattr, made, part, getattr(made, part))
            setattr(made, part, getattr(wanted, part))
        _forget(undo, old)
    elif isinstance(old, type) and isinstance(new, type) and old.__module__ == new.__module__ == _module_name(owner):
        for inner, value in vars(new).items():
            if _function(value) and _function(vars(old).get(inner)):
                _change(undo, old, inner, value)
    elif isinstance(owner, ModuleType) and not isinstance(new, ModuleType | type) and old is not new:
        undo.enter_context(patch.object(owner, name, new, create=old is _MISSING))


def _function(value: Any) -> FunctionType | None:
    value = getattr(value, "__func__", getattr(value, "fget", value))
    value = inspect.unwrap(value) if callable(value) else value
    return value if isinstance(value, FunctionType) else None


def _module_name(owner: Any) -> str:
    return owner.__name__ if isinstance(owner, ModuleType) else str(owner.__module__)


def _forget(undo: ExitStack, function: Any) -> None:
    if clear := getattr(function, "cache_clear", None):
        clear()
        undo.callback(clear)
