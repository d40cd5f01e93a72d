"""Parts of the system that some tests need: without one a test is skipped, or fails where everything is to be there."""

import os
import shutil
from typing import NoReturn

import pytest


def required(program: str, package: str) -> str:
    """Return where a program is; skip the test if it is not there, or fail it where CI=true says that it must be."""
    path = shutil.which(program)
    return path or lacking(f"{program} is not here: apt-get install {package}")


def lacking(reason: str) -> NoReturn:
    """Skip the test for want of something, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
