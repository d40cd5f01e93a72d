"""A terminal for the `fusion` command: a pseudo-terminal typed into by pexpect, with a screen kept by pyte."""

import fcntl
import os
import pty
import re
import struct
import termios
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pyte
from pexpect.fdpexpect import fdspawn

from tests.forked import Forked

CTRL_C = "\x03"
ROWS = 60


class Terminal:
    """A window of `columns`. Processes run in it one after the other; what they drew stays on the screen."""

    def __init__(self, forked: Forked, environ: Mapping[str, str], columns: int = 80) -> None:
        self._forked = forked
        self._environ = {**environ, "TERM": "xterm-256color"}
        self.screen = pyte.Screen(columns, ROWS)
        self.written = ""  # every character that reached the terminal
        self._stream = pyte.Stream(self.screen)
        self._master, slave = pty.openpty()
        self._slave_fd, self._slave = slave, Path(os.ttyname(slave))
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        self._typed = fdspawn(self._master, encoding="utf-8", codec_errors="strict")
        self.pid = 0

    def close(self) -> None:
        self._typed.close()
        os.close(self._slave_fd)

    def start(self, *arguments: str, stdout: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        """Start a command in this window; `stdout` redirects its results into a file."""
        files = (self._slave, stdout or self._slave, self._slave)
        self.pid = self._forked.spawn(arguments, {**self._environ, **(environ or {})}, *files)

    def run(self, *arguments: str, stdout: Path | None = None, environ: Mapping[str, str] | None = None) -> int:
        """Run a command to its end and return its exit code."""
        self.start(*arguments, stdout=stdout, environ=environ)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code of the command, waiting for its end."""
        with ThreadPoolExecutor(1) as waiting:
            code = waiting.submit(self._forked.wait, self.pid)
            while not code.done():  # a terminal that nobody reads would hold up whoever writes to it
                self._draw(0.02)
        self._draw(0.0)
        return code.result()

    def press(self, keys: str) -> None:
        """Type."""
        self._typed.send(keys)

    def until(self, condition: Callable[[str], Any], within: float = 20.0) -> str:
        """Draw until the screen is as it should be, and return it."""
        deadline = time.monotonic() + within
        while not condition(self.text):
            assert time.monotonic() < deadline, f"it did not happen in time:\n{self.text}"
            self._draw(0.1)
        return self.text

    def _draw(self, seconds: float) -> None:
        while True:
            try:
                part = self._typed.read_nonblocking(65536, timeout=seconds)
            except (pexpect.TIMEOUT, pexpect.EOF):
                return
            self.written += part
            self._stream.feed(part)
            seconds = 0.0

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip() + "\n"

    @property
    def shows_cursor(self) -> bool:
        return not self.screen.cursor.hidden


def settled(screen: str) -> str:
    """Return a screen with what differs from run to run replaced by as many characters."""
    screen = screen.replace("[e]dit:^C", "[e]dit: ^C")  # the key may come between the two parts of a question
    screen = re.sub(r"\b[0-9a-f]{8}\b(?![-.])", "0123abcd", screen)
    screen = re.sub(r"\b\d:\d\d\b", "0:00", screen)
    return re.sub(r"\b\d+\.\d s\b", lambda found: "0.0 s".rjust(len(found[0])), screen)
