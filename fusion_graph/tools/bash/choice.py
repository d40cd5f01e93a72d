"""Which shell there is: the sandbox of bubblewrap if it holds here, else bashkit if it is installed, else none."""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fusion_graph.errors import SettingsError
from fusion_graph.tools.bash import bashkit
from fusion_graph.tools.bash.bashkit import Bashkit
from fusion_graph.tools.bash.bubblewrap import Bubblewrap
from fusion_graph.tools.bash.host import HostShell
from fusion_graph.tools.bash.outcome import Shell
from fusion_graph.tools.bash.probe import why_not
from fusion_graph.tools.bash.workspace import Workspaces

VARIABLE = "FUSION_BASH"
UNSANDBOXED = "unsandboxed-host-shell"
CHOICES = f"'bubblewrap', 'bashkit', 'none', or '{UNSANDBOXED}', which gives models all rights of this process's user"
REMEDY = (
    "install bubblewrap 0.8 or later (apt install bubblewrap), in a container with user namespaces allowed; "
    f"or {bashkit.INSTALL}, which is close to bash and needs nothing of the system"
)


@dataclass(frozen=True, slots=True)
class ChosenShell:
    """The shell of this machine (None: there is none), what it is, why it is that one, and what to do about it."""

    shell: Shell | None
    name: str
    why: str
    remedy: str = ""

    @property
    def missing(self) -> str:
        """Why the tool is not offered, and what to do, in one sentence; "" if it is."""
        return "" if self.shell else f"bash is not offered: {self.why}. Remedy: {self.remedy}."


class Shells:
    """The shell that `environ` asks for, tried when it is first needed, and the workspaces of its commands.

    Raises:
        SettingsError: FUSION_BASH is none of its values.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.workspaces = Workspaces(environ)
        self._lock = threading.Lock()
        self._chosen: ChosenShell | None = None
        self.wanted = environ.get(VARIABLE, "").strip()
        if self.wanted not in {"", "none", UNSANDBOXED, *_MAKERS}:
            raise SettingsError(
                f"{VARIABLE} = {self.wanted!r} is no shell", field=VARIABLE, value=self.wanted, hint=f"set {CHOICES}"
            )

    def refuse_unsandboxed(self) -> None:
        """Raise SettingsError if commands would have all rights of this process's user: for servers others can reach."""
        if self.wanted == UNSANDBOXED:
            raise SettingsError(
                f"{VARIABLE}={UNSANDBOXED} is refused on a server: whoever reaches it could do all that its user may",
                field=VARIABLE,
                value=UNSANDBOXED,
                hint="unset it: bubblewrap or bashkit are then used, if they are there",
            )

    def chosen(self) -> ChosenShell:
        """Return the shell, after trying it out once. Blocks."""
        with self._lock:
            self._chosen = self._chosen or self._choose()
            return self._chosen

    def _choose(self) -> ChosenShell:
        if self.wanted == "none":
            return ChosenShell(None, "none", f"{VARIABLE}=none", f"unset {VARIABLE}")
        if self.wanted == UNSANDBOXED:
            return ChosenShell(HostShell(self.workspaces), "host", f"{VARIABLE}={UNSANDBOXED}: there is no sandbox")
        reasons: list[str] = []
        for name, make in _MAKERS.items():
            if self.wanted in {"", name}:
                shell, why = make(self.workspaces)
                if shell:
                    return ChosenShell(shell, name, "; ".join([*reasons, why]))
                reasons.append(why)
        return ChosenShell(None, "none", "; ".join(reasons), REMEDY)


def _bubblewrap(workspaces: Workspaces) -> tuple[Shell | None, str]:
    path = shutil.which("bwrap")
    if path is None:
        return None, "bubblewrap (bwrap) is not installed"
    shell = Bubblewrap(path, workspaces)
    reason = why_not(shell)
    return (None, f"bubblewrap does not hold here: {reason}") if reason else (shell, f"{path}, tried and found to hold")


def _bashkit(workspaces: Workspaces) -> tuple[Shell | None, str]:
    if not bashkit.is_installed():
        return None, f"bashkit is not installed ({bashkit.INSTALL})"
    return Bashkit(workspaces), "bashkit runs commands in memory: close to bash and GNU's tools, not the same"


_MAKERS: dict[str, Callable[[Workspaces], tuple[Shell | None, str]]] = {
    "bubblewrap": _bubblewrap,
    "bashkit": _bashkit,
}
