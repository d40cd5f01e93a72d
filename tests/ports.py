"""Ports of the loopback: one that is free, and whether a server of ours answers on it."""

import random
import socket

import httpx

_OWN = range(12_000, 32_000)  # below those that the system gives to connections, which come and go all the time


def free_port() -> int:
    """Return a port that nobody listens on, and that hardly anybody else takes before it is used."""
    while True:
        port = random.SystemRandom().choice(_OWN)
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def answers(port: int) -> bool:
    """Say whether `fusion serve` is up on a port."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).is_success
    except httpx.HTTPError:
        return False
