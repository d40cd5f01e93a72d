import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.tools.bash import workspace
from fusion_graph.tools.bash.workspace import MAX_DEPTH, Workspaces, files_in, remove_tree, tidy, usage


@pytest.fixture
def workspaces(home: Path) -> Workspaces:
    return Workspaces({"FUSION_HOME": str(home)})


@pytest.fixture
def folder(workspaces: Workspaces) -> Path:
    return workspaces.open("run-a/1")


def test_a_folder_is_its_seats_alone_and_is_there_again(workspaces: Workspaces) -> None:
    first = workspaces.open("run-a/1")
    (first / "file").write_text("x")

    again, other = workspaces.open("run-a/1"), workspaces.open("run-a/2")

    assert again == first
    assert (again / "file").exists()
    assert not list(other.iterdir())
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "place", ["thread-../../etc/1", "thread-a/b/c/1", "thread-\0/1", f"run-{'x' * 300}/1", "run-ä/..", "//"]
)
def test_a_name_that_a_stranger_chose_stays_below_the_root(workspaces: Workspaces, place: str) -> None:
    folder = workspaces.open(place)

    assert folder.parent.parent == workspaces.root
    assert folder.is_dir()


def test_a_run_is_removed_with_all_its_folders_and_no_others(workspaces: Workspaces) -> None:
    for place in ("run-a/1", "run-a/2", "run-b/1"):
        (workspaces.open(place) / "file").write_text("x")

    workspaces.remove("run-a")
    workspaces.remove("run-never")

    assert [path.name for path in workspaces.root.iterdir()] == ["run-b"]


def test_folders_of_threads_go_after_a_week_and_those_of_runs_stay(workspaces: Workspaces) -> None:
    for key in ("thread-old", "thread-new", "run-old"):
        workspaces.open(f"{key}/1")
        if key.endswith("old"):
            os.utime(workspaces.folder(key), (0, time.time() - 8 * 86_400))

    workspaces.open("thread-another/1")

    assert {path.name for path in workspaces.root.iterdir()} == {"thread-new", "run-old", "thread-another"}


def test_root_finds_another_place_where_the_user_it_becomes_cannot_go(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "_FOR_ROOT", home / "for_root")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert Workspaces({"FUSION_HOME": str(home)}).root == home / "workspaces"
    assert Workspaces({"FUSION_HOME": str(closed / "data")}).root == home / "for_root" / "workspaces"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to fear what others put there")
@pytest.mark.parametrize("trap", ["somebody else's", "open to all", "a link"])
def test_a_place_for_root_that_others_can_change_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    place = home / "for_root"
    monkeypatch.setattr(workspace, "_FOR_ROOT", place)
    if trap == "a link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        place.chmod(0o777 if trap == "open to all" else 0o755)
        os.chown(place, 12345 if trap == "somebody else's" else 0, 0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(SettingsError, match="not a folder of root alone"):
        _ = Workspaces({"FUSION_HOME": str(closed)}).root


def test_usage_counts_what_is_on_the_disk(folder: Path) -> None:
    (folder / "full").write_bytes(b"x" * 100_000)
    with (folder / "sparse").open("wb") as file:
        file.truncate(10**9)
    (folder / "d").mkdir()

    found = usage(folder)

    assert found.files == 3
    assert 100_000 <= found.bytes < 1_000_000
    assert not found.trouble


def test_what_is_nested_too_deep_is_trouble_until_it_is_tidied_away(folder: Path) -> None:
    deep = folder.joinpath(*["d"] * (MAX_DEPTH + 3))
    deep.mkdir(parents=True)

    assert "nested" in usage(folder).trouble
    tidy(folder)

    assert not usage(folder).trouble
    assert usage(folder).files == MAX_DEPTH - 1


def test_a_tree_too_deep_for_a_path_is_removed(workspaces: Workspaces, folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("a-rather-long-name", dir_fd=here)
        inner = os.open("a-rather-long-name", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)

    workspaces.remove("run-a")

    assert not list(workspaces.root.iterdir())


def test_folders_closed_to_their_owner_are_opened_and_removed(workspaces: Workspaces, folder: Path) -> None:
    (folder / "closed" / "in").mkdir(parents=True)
    (folder / "closed" / "in" / "file").write_text("x")
    (folder / "closed" / "in" / "file").chmod(0)
    (folder / "closed" / "in").chmod(0)
    (folder / "closed").chmod(0)

    tidy(folder)

    assert (folder / "closed" / "in" / "file").read_text() == "x"
    (folder / "closed").chmod(0)
    remove_tree(folder)
    assert not folder.exists()


def test_what_is_neither_file_nor_folder_is_taken_away(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    (folder / "file").write_text("x")

    tidy(folder)

    assert [path.name for path in folder.iterdir()] == ["file"]


def test_bits_of_rights_are_taken_away(folder: Path) -> None:
    (folder / "program").write_text("x")
    (folder / "program").chmod(0o6755)
    (folder / "d").mkdir()
    (folder / "d").chmod(0o3777)

    tidy(folder)

    assert stat.S_IMODE((folder / "program").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "d").stat().st_mode) == 0o777


@pytest.mark.parametrize(
    ("link", "target", "stays"),
    [
        ("a", "file", "file"),
        ("a", "nothing yet", "nothing yet"),
        ("d/a", "../file", "../file"),
        ("a", "/workspace/file", "file"),
        ("d/a", "/workspace/file", "../file"),
        ("a", "/workspace", "."),
        ("a", "a", "a"),
        ("a", "/etc/passwd", None),
        ("a", "/workspace/../etc", None),
        ("a", "/workspaces", None),
        ("a", "..", None),
        ("a", "../../..", None),
        ("d/a", "../../2/file", None),
        ("a", "d/up/../../x", None),
        ("a", "d/e/top/../x", None),
    ],
)
def test_links_stay_if_they_lead_inside(folder: Path, link: str, target: str, stays: str | None) -> None:
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "d" / "up").symlink_to("..")
    (folder / "d" / "e" / "top").symlink_to("../..")
    (folder / link).symlink_to(target)

    tidy(folder)

    found = folder / link
    assert (str(found.readlink()) if found.is_symlink() else None) == stays


def test_files_are_listed_by_path_without_links_and_by_names_a_person_can_read(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b" / "file").write_text("12345")
    Path(os.fsdecode(os.fsencode(folder) + b"/a\xff\n\x1b[31m\xe2\x80\xae")).write_text("")
    (folder / "link").symlink_to("b/file")

    assert files_in(folder, 10) == {"files": [{"path": "a\ufffd\n", "bytes": 0}, {"path": "b/file", "bytes": 5}]}


def test_usage_of_a_folder_at_work_does_not_stumble(folder: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            (folder / "d").mkdir()
            (folder / "d" / "x").write_text("x")
            (folder / "d" / "x").unlink()
            (folder / "d").rmdir()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        found = [usage(folder) for _ in range(500)]
    finally:
        stop.set()
        worker.join()

    assert all(each.files <= 2 for each in found)
