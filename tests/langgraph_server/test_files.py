"""langgraph.json itself."""

import json
from typing import Any

from langgraph_cli.config import validate_config_file

from tests.langgraph_server.dev import REPOSITORY

CONFIG = REPOSITORY / "langgraph.json"


def places(config: Any) -> list[str]:
    return [*(graph["path"] for graph in config["graphs"].values()), config["auth"]["path"], config["http"]["app"]]


def test_langgraphs_command_line_takes_it() -> None:
    assert set(validate_config_file(CONFIG)["graphs"]) == {"fusion", "panelist"}


def test_every_path_of_the_file_exists() -> None:
    config = json.loads(CONFIG.read_text())

    assert all((REPOSITORY / path.partition(":")[0]).is_file() for path in places(config))


def test_its_own_routes_ask_for_keys_and_no_header_gets_past_them() -> None:
    config = json.loads(CONFIG.read_text())

    assert config["http"]["enable_custom_route_auth"] is True
    assert config["auth"]["disable_studio_auth"] is True
