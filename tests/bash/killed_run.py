"""A process to be killed in the middle of a command: `python -m tests.bash.killed_run DATABASE`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.runs import open_runs
from tests.graphs import ROSTER, scripted

SETTINGS: dict[str, Any] = ROSTER | {"panel": ["north"], "tools": ["bash"]}
SLEEPS = "sleep 98.70006"  # as no other command line on the machine says it
STEPS = ("mkdir d && cd d && echo one > kept", f"echo > started; {SLEEPS}", "pwd; cat kept")


def models() -> ScriptedModels:
    """A seat that gives one command after the other, and answers with what the last one said."""

    def north(request: ScriptedRequest) -> Any:
        results = [message for message in request.messages if message.type == "tool"]
        if len(results) == len(STEPS):
            return f"It said: {results[-1].text}"
        call = {"name": "bash", "args": {"command": STEPS[len(results)], "timeout_ms": 2000}, "id": f"c{len(results)}"}
        return ScriptedReply(tool_calls=[call])

    return scripted(north=north)


async def main() -> None:
    async with open_runs(Path(sys.argv[1]), Parts.real(load_model=models())) as runs:
        live = await runs.start(["What is kept?"], SETTINGS)
        print(live.run_id, flush=True)  # noqa: T201 - read by the test
        await live.result()


if __name__ == "__main__":
    asyncio.run(main())
