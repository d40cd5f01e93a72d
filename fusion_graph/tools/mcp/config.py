"""Which MCP servers a user has set up: the JSON file that other MCP clients read as well."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.folders import home

VARIABLE = "FUSION_MCP"
_FILE = "mcp.json"
_EXAMPLE = '{"mcpServers": {"name": {"command": "...", "args": [...]}}}'
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_SECRET_NAME = re.compile(r"(?i)key|token|secret|pass|pwd|auth|cookie|credential")
_MIN_SECRET = 8  # shorter values are words; blanking them would garble every result
_HEADER_VALUE = re.compile(r"[\t -~]*")


class McpServer(BaseModel):
    """How one server is reached: a program that is started, or an address. Its repr shows no keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    command: str = ""
    args: list[str] = Field(default_factory=list, repr=False)
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    cwd: str | None = None
    url: str = Field("", repr=False)
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    transport: Literal["", "stdio", "http", "streamablehttp", "sse"] = Field(
        "", validation_alias=AliasChoices("transport", "type")
    )

    @field_validator("transport", mode="before")
    @classmethod
    def _spelled_as_elsewhere(cls, value: Any) -> Any:
        return re.sub("[-_]", "", value).lower() if isinstance(value, str) else value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        """Refuse what cannot be sent: the HTTP client would quote the value in its complaint."""
        stripped = {name: value.strip() for name, value in headers.items()}
        if unfit := [name for name, value in stripped.items() if not _HEADER_VALUE.fullmatch(value)]:
            raise ValueError(f"{unfit[0]} has a value that no header can carry")
        return stripped

    @property
    def fault(self) -> str:
        """Return what is wrong with the entry as a whole, "" if nothing is."""
        if bool(self.command) == bool(self.url):
            return "both a command and a url are given" if self.url else "neither a command nor a url is given"
        if self.transport and bool(self.command) != (self.transport == "stdio"):
            return f"the transport {self.transport!r} does not go with a {'command' if self.command else 'url'}"
        if self.url and not self.url.startswith(("http://", "https://")):
            return "the url is not one of http or https"
        return ""

    def blanked(self, text: str) -> str:
        """Return `text` without the values of headers and variables whose names say that they are secrets."""
        named = [(name, value) for pairs in (self.env, self.headers) for name, value in pairs.items()]
        held = {part for name, value in named if _SECRET_NAME.search(name) for part in (value, *value.split())}
        for secret in sorted(held, key=len, reverse=True):
            text = text.replace(secret, "[redacted]") if len(secret) >= _MIN_SECRET else text
        return text


class McpConfig:
    """The servers of one file, read when they are first asked for; a file that could not be read is tried again."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, required: bool) -> None:
        self.path = path
        self._environ = environ
        self._required = required

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "McpConfig":
        """Return the file that FUSION_MCP names, else `mcp.json` in the config folder, which need not be there."""
        named = environ.get(VARIABLE, "").strip()
        path = Path(named).expanduser() if named else home("config", environ) / _FILE
        return cls(path, environ, required=bool(named))

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """Return what the file says of each server, by name.

        Raises:
            SettingsError: the file cannot be read, or is not in the form of such files.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError as error:
            if self._required:
                raise self.unfit("there is no such file", f"{VARIABLE} names it") from error
            return {}
        except OSError as error:
            raise self.unfit(f"it cannot be read: {error.strerror}", f"name another in {VARIABLE}") from error
        except json.JSONDecodeError as error:
            why = f"it is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}"
            raise self.unfit(why, f"its form is {_EXAMPLE}") from None  # the cause carries the text, keys and all
        except UnicodeDecodeError:
            raise self.unfit("it is not in UTF-8", "save it in that encoding") from None
        servers = content.get("mcpServers") if isinstance(content, dict) else None
        if not isinstance(servers, dict) or not all(isinstance(entry, dict) for entry in servers.values()):
            raise self.unfit("it has no object of servers under 'mcpServers'", f"its form is {_EXAMPLE}")
        return servers

    def server(self, name: str) -> McpServer:
        """Return a configured server, with the variables it names filled in.

        Raises:
            SettingsError: its entry has an unknown or unfit field, or names a variable that is not set.
        """
        filled = self._filled(self.entries[name], name)
        try:
            server = McpServer.model_validate({**filled, "name": name})
        except ValidationError as error:
            raise self._explained(error, name) from None
        if server.fault:
            raise self.unfit(f"server {name!r}: {server.fault}", f"its form is {_EXAMPLE}")
        return server

    def _filled(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item, name) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, name) for item in value]
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda found: self._variable(found[1], name), value)
        return value

    def _variable(self, variable: str, name: str) -> str:
        if variable not in self._environ:
            raise self.unfit(f"server {name!r} needs the environment variable {variable!r}", f"set {variable}")
        return self._environ[variable]

    def _explained(self, error: ValidationError, name: str) -> SettingsError:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = {*McpServer.model_fields, "type"} - {"name"}
            return self.unfit(f"server {name!r} has the unknown field {field!r}", did_you_mean(field, known))
        said = first["msg"].removeprefix("Value error, ")
        return self.unfit(f"server {name!r}: {field}: {said[:1].lower()}{said[1:]}", f"its form is {_EXAMPLE}")

    def unfit(self, why: str, hint: str) -> SettingsError:
        """Return the error to raise about this file."""
        return SettingsError(f"{self.path}: {why}", field="tools", value=str(self.path), hint=hint)
