"""A fuzzer that knows nothing of this server but its /openapi.json."""

import re
from pathlib import Path

import pytest

from tests.clients.programs import run_tool
from tests.clients.stage import KEY, open_stage
from tests.forked import Forked

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]
PACKAGE = "schemathesis>=4.32,<5"
# Not `positive_data_acceptance`: no schema says that `tool_choice` names one of the tools, or which models are offered.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def test_schemathesis_finds_no_fault(forked: Forked, tmp_path: Path) -> None:
    home = tmp_path / "fuzzer"
    home.mkdir()
    with open_stage(forked, tmp_path) as stage:
        told = run_tool(
            PACKAGE,
            *("st", "run", f"{stage.url.removesuffix('/v1')}/openapi.json"),
            *("--checks", ",".join(CHECKS), "--max-examples", "40", "--generation-deterministic", "--no-shrink"),
            *("--header", f"Authorization: Bearer {KEY}", "--suppress-health-check", "all"),
            folder=home,
        )

    cases = re.search(r"(\d+) generated, (\d+) passed", told)
    assert cases, told[-3000:]
    assert int(cases[1]) == int(cases[2]) > 500
