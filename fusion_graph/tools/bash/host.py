"""Commands as this process's own user, without any sandbox: only where the operator says so in so many words."""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from fusion_graph.tools.bash.outcome import Limits, Outcome
from fusion_graph.tools.bash.threads import in_thread
from fusion_graph.tools.bash.watch import Watched, limited
from fusion_graph.tools.bash.workspace import CWD_FILE, Workspaces, tidy

_COMMAND_FILE = ".fusion_command"
_INNER = f"""cd "$(cat "$1/{CWD_FILE}" 2>/dev/null)" 2>/dev/null || cd "$1"
trap 'pwd -P > "'"$1"'/{CWD_FILE}"' EXIT
. "$1/{_COMMAND_FILE}\""""


@dataclass(frozen=True, slots=True)
class HostShell:
    """Commands with all that this user may do, the network included; what is watched is their time and their size."""

    workspaces: Workspaces
    limits: Limits = field(default_factory=Limits)

    async def run(self, command: str, workspace: Path, seconds: float) -> Outcome:
        """Run a command. See `Shell`."""
        stop = threading.Event()
        return await in_thread(lambda: self._run(command, workspace, seconds, stop), stop.set)

    def _run(self, command: str, workspace: Path, seconds: float, stop: threading.Event) -> Outcome:
        variables = {name: os.environ[name] for name in ("PATH", "LANG", "TZ", "TMPDIR") if name in os.environ}
        own = {"cwd": workspace, "env": {**variables, "HOME": str(workspace), "TERM": "dumb"}}
        arguments = ["bash", "--noprofile", "--norc", "-c", _INNER, "bash", str(workspace)]
        script = workspace / _COMMAND_FILE
        with self.workspaces.lock(workspace):
            script.write_text(command, encoding="utf-8")
            try:
                return Watched(limited(self.limits, arguments), workspace, self.limits, seconds, stop, own).run()
            finally:
                script.unlink(missing_ok=True)
                tidy(workspace)
