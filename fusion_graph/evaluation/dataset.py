"""The tasks of an evaluation: DRACO from its hub, our mini-DRACO, or a file of one's own; and samples of them."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fusion_graph.checked import placed
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError, redact
from fusion_graph.evaluation import hub
from fusion_graph.evaluation.shapes import Dataset, Task
from fusion_graph.evaluation.tasks import SUFFIXES, parse_tasks

_MINI = Path(__file__).parent / "mini" / "tasks.jsonl"
_SOURCES = f"a data set is `draco`, `mini`, or the path of a file in one of the forms {', '.join(SUFFIXES)}"


def load_dataset(
    source: str,
    *,
    revision: str = "",
    sha256: str = "",
    accept_changed: bool = False,
    environ: Mapping[str, str] = ENVIRON,
) -> Dataset:
    """Return `draco`, `mini`, or the tasks of a file; blocks while it reads.

    DRACO is loaded in the revision that the published scores are of, unless another is named, and once: a file whose hash
    is known is kept. One whose hash is not `sha256` (for DRACO by default that of the published file) is refused.
    What a data set says of its source, revision and hash loads it again.

    Raises:
        SettingsError: it is not what was expected (unless `accept_changed`), not there, or unfit.
        FusionError: the hub could not be read.
    """
    if source == "draco":
        return _draco(revision or hub.REVISION, sha256.lower(), environ, accept_changed=accept_changed)
    if source == "mini":
        path, name, origin = _MINI, "mini", "mini"
    else:
        path = Path(source).expanduser()
        name, origin = path.stem, str(path.absolute())
    content = _read(path, source)
    if sha256 and not accept_changed:
        _check_unchanged(source, _hash(content), sha256.lower())
    if _hash(content) == hub.SHA256:  # whoever downloaded it by hand has DRACO all the same
        name, revision = "draco", hub.REVISION
    return Dataset(name, _tasks(content, path.suffix.lower(), source), origin, revision, _hash(content))


def sampled(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Return `n` of the tasks in the file's order, shared out to the domains by the method of largest remainders.

    What is drawn depends on the seed and the tasks' ids only: the more of a domain are drawn, the more are added.

    Raises:
        SettingsError: `n` is below 1.
    """
    if n < 1:
        raise SettingsError(f"a sample of {n} tasks is empty", field="sample", value=n, hint="take 1 or more")
    shares = _shares(Counter(task.domain for task in dataset.tasks), min(n, len(dataset.tasks)), seed)
    drawn = set()
    for task in sorted(dataset.tasks, key=lambda task: _luck(seed, task.id)):
        if shares[task.domain]:
            shares[task.domain] -= 1
            drawn.add(task.id)
    return replace(dataset, tasks=tuple(task for task in dataset.tasks if task.id in drawn))


def _draco(revision: str, sha256: str, environ: Mapping[str, str], *, accept_changed: bool) -> Dataset:
    url = hub.hub_url(revision, environ)
    known = sha256 or (hub.SHA256 if revision == hub.REVISION else "")
    kept = hub.read_kept(known, environ) if known else None
    content = kept if kept is not None else hub.download(url, environ)
    if not accept_changed:
        _check_unchanged(redact(url), _hash(content), sha256 or hub.SHA256)
    tasks = _tasks(content, ".jsonl", redact(url))
    if kept is None:
        hub.keep(content, _hash(content), environ)
    return Dataset("draco", tasks, "draco", revision, _hash(content))


def _read(path: Path, source: str) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        what = "is a folder" if path.is_dir() else "is no data set"
        raise SettingsError(f"{source!r} {what}", field="dataset", value=source, hint=_SOURCES)
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{source!r} cannot be read: {why}", field="dataset", value=source, hint=_SOURCES
        ) from error


def _tasks(content: bytes, suffix: str, source: str) -> tuple[Task, ...]:
    try:
        return parse_tasks(content.decode("utf-8-sig"), suffix)
    except SettingsError as error:
        raise placed(error, source) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    # Raised out here, for the error above holds the whole file.
    message = f"{source}: line {line}: it is not in UTF-8"
    raise SettingsError(message, field="dataset", value=source, hint="save it in that encoding")


def _check_unchanged(source: str, found: str, expected: str) -> None:
    if found != expected:
        hint = "load the revision that was meant, or accept that it has changed: scores of the two do not compare"
        message = f"{source} is not the file that was expected: its sha256 is {found}, not {expected}"
        raise SettingsError(message, field="sha256", value=found, hint=hint)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shares(sizes: Mapping[str, int], n: int, seed: int) -> dict[str, int]:
    total = sum(sizes.values())
    shares = {domain: n * size // total for domain, size in sizes.items()}
    left = n - sum(shares.values())
    for domain in sorted(sizes, key=lambda domain: (-(n * sizes[domain] % total), _luck(seed, domain)))[:left]:
        shares[domain] += 1
    return shares


def _luck(seed: int, name: str) -> str:
    """Return a draw that is the same in every process and version of Python."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
