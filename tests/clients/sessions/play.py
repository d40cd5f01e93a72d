"""Play a client's session, in an environment with that client: python -m tests.clients.sessions.play PLAN.

A plan names the client's module, where and how to reach the server, and the steps. A step calls one method of the module's
`Client`; what it returns is kept under the step's name, or an exception's class and words. The last line printed is JSON.
"""

import asyncio
import importlib
import inspect
import json
import sys
from typing import Any


async def _step(made: Any, method: str, arguments: list[Any]) -> Any:
    try:
        found = getattr(made, method)(*arguments)
        return await found if inspect.isawaitable(found) else found
    except Exception as error:  # noqa: BLE001 -- whatever a client raises is what the test wants to see
        return {"error": type(error).__name__, "message": str(error)}


async def _play(plan: dict[str, Any]) -> dict[str, Any]:
    module, saw = importlib.import_module(f"tests.clients.sessions.{plan['module']}"), {}
    for step in plan["steps"]:
        url, key, model = ((plan | step)[name] for name in ("url", "key", "model"))
        saw[step["name"]] = await _step(module.Client(url, key, model), step["do"], step["with"])
    return saw


if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(_play(json.loads(sys.argv[1])))))  # noqa: T201 -- what the test reads
