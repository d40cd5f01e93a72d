"""The published rosters and your own, and how the settings of one call are found.

Nearest wins: this call's explicit fields, the thread's stored settings, the environment (`FUSION_<SETTING>`), the preset,
the defaults of `FusionSettings`. Two rules on top. A preset named nearer replaces the roster (panel, judge, writer) set
further out, because a roster is chosen as a whole. And it replaces what the thread has only from its old preset: state
stores complete settings, which would else leave nothing of the new one but its roster.
"""

import copy
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

from typing_extensions import TypedDict

from fusion_graph.checked import placed, shown
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.folders import home
from fusion_graph.settings import DEFAULT_PRESET, ROSTER, FusionSettings, load_settings


class Preset(TypedDict):
    """A named, partial set of settings."""

    description: str
    settings: dict[str, Any]


def resolve(
    call: FusionSettings | Mapping[str, Any] | None = None,
    *,
    stored: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = ENVIRON,
) -> FusionSettings:
    """Return the settings of one call, with preset, environment and the thread's `stored` settings filled in.

    The result is complete: every field counts as set, so that resolving it again changes nothing.

    Raises:
        SettingsError: a layer names an unknown field or preset, or holds a value out of range.
    """
    presets = load_presets(environ)
    explicit = _explicit(FusionSettings.model_validate({} if call is None else call))
    thread = _of_thread(stored or {}, presets, explicit.get("preset"))
    layers = [_from_environment(environ, presets), thread, explicit]
    name = next((layer["preset"] for layer in reversed(layers) if "preset" in layer), DEFAULT_PRESET)
    values = dict(_preset(presets, name)["settings"])
    for layer in layers:
        if "preset" in layer:
            roster = _preset(presets, layer["preset"])["settings"]
            values = {k: v for k, v in values.items() if k not in ROSTER}
            values |= {k: v for k, v in roster.items() if k in ROSTER}
        values |= layer
    values["preset"] = name
    return _completed(FusionSettings.model_validate(values))


def _completed(settings: FusionSettings) -> FusionSettings:
    if not settings.panel:
        raise SettingsError(
            f"preset {settings.preset!r} names no panel", field="panel", value=[], hint="give a panel of 1 to 8 models"
        )
    judge = settings.judge or settings.seats[0].model
    roster = {"panel": settings.seats, "judge": judge, "writer": settings.writer or judge}
    return FusionSettings.model_validate(settings.dump() | roster)


def _explicit(settings: FusionSettings) -> dict[str, Any]:
    """Return what was set on purpose: an empty roster or preset means 'not set', as forms send it."""
    given = settings.model_dump(mode="json", include=settings.model_fields_set)
    return {k: v for k, v in given.items() if v not in ("", []) or k not in {"preset", *ROSTER}}


def _of_thread(stored: Mapping[str, Any], presets: Mapping[str, Preset], chosen: str | None) -> dict[str, Any]:
    """Return the thread's layer; if the call has `chosen` another preset, without what came from the thread's own."""
    thread = _explicit(load_settings(stored))
    if "panel" in thread and thread.get("preset") not in presets:
        thread.pop("preset", None)  # deleted since then; the thread goes on with the roster it has
    old = presets.get(thread.get("preset", ""))
    if old is None or chosen in {None, thread["preset"]}:
        return thread
    usual = FusionSettings().dump() | old["settings"]
    return {k: v for k, v in thread.items() if k in ROSTER or v != usual[k]}


def _from_environment(environ: Mapping[str, str], presets: Mapping[str, Preset]) -> dict[str, Any]:
    texts = {name: environ.get(_variable(name), "").strip() for name in FusionSettings.model_fields}
    found = {name: _from_text(name, text) for name, text in texts.items() if text}
    try:
        explicit = _explicit(FusionSettings.model_validate(found))
        if "preset" in explicit:
            _preset(presets, explicit["preset"])
    except SettingsError as error:
        raise placed(error, f"environment variable {_variable(error.field.split('.')[0])}") from None
    return explicit


def _variable(name: str) -> str:
    return f"FUSION_{name.upper()}"


def _from_text(name: str, text: str) -> Any:
    """Return a variable's text as its setting takes it: lists are comma-separated, `none` is an empty one or no value."""
    annotation = FusionSettings.model_fields[name].annotation
    if get_origin(annotation) is list:
        return [] if text.lower() == "none" else [part.strip() for part in text.split(",") if part.strip()]
    return None if text.lower() == "none" and type(None) in get_args(annotation) else text


def load_presets(environ: Mapping[str, str] = ENVIRON) -> dict[str, Preset]:
    """Return all presets by name: the published ones, with the user's `presets.toml` merged over them.

    The user's file is looked at on every call and read when it has changed.

    Raises:
        SettingsError: a preset holds an unknown field or a value out of range, or the user's file cannot be read.
    """
    own = home("config", environ) / "presets.toml"
    try:
        found = own.stat()
    except FileNotFoundError:
        return copy.deepcopy(_read_presets(None))
    except OSError as error:
        raise _unreadable(own, error) from error
    return copy.deepcopy(_read_presets(own, (found.st_mtime_ns, found.st_size)))


def preset_of(name: str, panel: Sequence[str], presets: Mapping[str, Preset]) -> str:
    """Return a preset's name if these models are the panel it has, else ""."""
    seats = presets[name]["settings"].get("panel", []) if name in presets else []
    return name if [seat if isinstance(seat, str) else seat["model"] for seat in seats] == [*panel] else ""


@lru_cache(maxsize=8)
def _read_presets(own: Path | None, _version: tuple[int, int] | None = None) -> dict[str, Preset]:
    tables = tomllib.loads((Path(__file__).parent / "presets.toml").read_text(encoding="utf-8"))
    for name, table in (_read_own(own) if own else {}).items():
        tables[name] = tables.get(name, {}) | table
    try:
        return {name: _parse_preset(name, table) for name, table in tables.items()}
    except SettingsError as error:
        raise placed(error, str(own)) from None


def _read_own(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}", field="preset", value=str(path)) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            message = f"{path}: {name} = {shown(table)} belongs to no preset"
            raise SettingsError(
                message, field=name, value=table, hint=f"put it under a heading, such as [{DEFAULT_PRESET}]"
            )
        if "preset" in table:
            message = f"{path}: preset {name!r} names another preset"
            raise SettingsError(message, field="preset", value=table["preset"], hint="write out what it is to share")
    return tables


def _unreadable(path: Path, error: OSError) -> SettingsError:
    hint = "make it readable, move it away, or name another folder in FUSION_HOME"
    return SettingsError(f"{path} cannot be read: {error.strerror}", field="preset", value=str(path), hint=hint)


def _parse_preset(name: str, table: Mapping[str, Any]) -> Preset:
    settings = {setting: value for setting, value in table.items() if setting != "description"}
    try:
        parsed = FusionSettings.model_validate(settings)
    except SettingsError as error:
        raise placed(error, f"preset {name!r}") from None
    return {
        "description": str(table.get("description", "")),
        "settings": parsed.model_dump(mode="json", include=parsed.model_fields_set),
    }


def _preset(presets: Mapping[str, Preset], name: str) -> Preset:
    try:
        return presets[name]
    except KeyError:
        hint = did_you_mean(name, presets) + " (fusion presets)"
        raise SettingsError(f"unknown preset {name!r}", field="preset", value=name, hint=hint) from None
