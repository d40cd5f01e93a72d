"""The figures of a server as /metrics tells them."""

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

MIB = 1024 * 1024


@dataclass(frozen=True)
class Figures:
    """What a process holds, and what it has done so far."""

    memory: float  # MiB
    files: int
    tasks: int
    under_way: int
    ended: int


def figures(url: str) -> Figures:
    """Return the figures of a server."""
    text = httpx.get(f"{url}/metrics", timeout=60).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(name: str) -> float:
        return sum(sample.value for sample in samples if sample.name == name)

    return Figures(
        memory=total("process_resident_memory_bytes") / MIB,
        files=int(total("process_open_fds")),
        tasks=int(total("fusion_tasks")),
        under_way=int(total("fusion_runs_under_way")),
        ended=int(total("fusion_runs_ended_total")),
    )
