"""Which collected tests claim which statements."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]  # the tests of the server
NOT_RUN = ("skip", "skipif", "live", "tiny_model", "full")  # tests with these marks may be left out

Claims = Mapping[str, Sequence[pytest.Function]]


def collected(session: pytest.Session) -> Iterator[pytest.Function]:
    """Yield the tests of the server that pytest collects, whatever this session was asked to run."""
    for path in sorted(FOLDER.rglob("test_*.py")):
        module = pytest.Module.from_parent(session, path=path)
        yield from (item for item in session.genitems(module) if isinstance(item, pytest.Function))


def claims_of(items: Sequence[pytest.Function]) -> Claims:
    """Return the tests that claim each number."""
    found: dict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        for mark in item.iter_markers("contract"):
            for number in mark.args:
                found[str(number)].append(item)
    return found


def unclaimed(statements: Mapping[str, str], claims: Claims) -> list[str]:
    """Return the statements that no test claims."""
    return [f"{number} {text}" for number, text in statements.items() if not claims.get(number)]


def unknown(statements: Mapping[str, str], claims: Claims) -> list[str]:
    """Return the claims of what the table does not have."""
    return [f"{number}: {tests[0].name}" for number, tests in claims.items() if number not in statements]


def not_run(claims: Claims) -> list[str]:
    """Return the claiming tests that a usual run may leave out."""
    tests = {test.name: test for each in claims.values() for test in each}
    return [name for name, test in tests.items() if any(test.get_closest_marker(mark) for mark in NOT_RUN)]
