"""What is handed out: the wheel and the sdist, installed where nothing else is; and what the package says of itself."""

import importlib
import importlib.metadata
import json
import os
import pydoc
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import fusion_graph

REPOSITORY = Path(__file__).parent.parent
MOST_PACKAGES = 110  # with all that the dependencies bring, without extras


def test_the_version_is_said_in_one_place() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert "version" not in project
    assert importlib.metadata.version("fusion-graph") == fusion_graph.__version__
    assert f"## {fusion_graph.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


def test_all_that_is_public_is_there_and_in_order() -> None:
    names = fusion_graph.__all__

    assert names == sorted(names)
    assert set(names) <= set(dir(fusion_graph))
    assert [name for name in names if not getattr(fusion_graph, name).__doc__] == []
    with pytest.raises(AttributeError, match="no attribute 'build_fusion_grap'"):
        _ = fusion_graph.build_fusion_grap


def test_help_shows_no_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-of-nobody-else")
    public = [getattr(fusion_graph, name) for name in fusion_graph.__all__]
    modules = {importlib.import_module(each.__module__) for each in public}

    told = "".join(pydoc.render_doc(each) for each in [*public, *modules])

    assert "environ: Mapping[str, str] = os.environ" in told.replace("collections.abc.", "")
    assert "sk-of-nobody-else" not in told


def test_nothing_else_lies_beside_the_package() -> None:
    git = shutil.which("git")
    if not git or not (REPOSITORY / ".git").exists():
        pytest.skip("not in a clone with git: apt-get install git")
    files = subprocess.run([git, "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    tops = {name.split("/")[0] for name in files.splitlines()}

    assert {top for top in tops if not top.startswith(".")} == {
        *("fusion_graph", "notebooks", "tests", "langgraph.json", "pyproject.toml"),
        *("CHANGELOG.md", "LICENSE", "README.md"),
    }


@pytest.mark.full  # builds, and installs from a registry of packages
def test_the_wheel_is_installed_alone_and_the_demo_answers(tmp_path: Path) -> None:
    uv = shutil.which("uv")
    assert uv, "pip install uv"
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".venv*", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "dist")
    shutil.copytree(REPOSITORY, source, ignore=ignored)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_", "FUSION_"))}
    outside["FUSION_HOME"] = str(tmp_path / "home")

    def done(*command: str | Path) -> str:
        ran = subprocess.run(command, cwd=source, env=outside, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr[-3000:]
        return ran.stdout

    done(uv, "build", "--out-dir", tmp_path / "dist")
    (wheel,), (sdist,) = (tmp_path / "dist").glob("*.whl"), (tmp_path / "dist").glob("*.tar.gz")
    done(uv, "venv", tmp_path / "clean")
    scripts = tmp_path / "clean" / "bin"
    done(uv, "pip", "install", "--python", scripts / "python", wheel)
    answer = json.loads(done(scripts / "fusion", "demo", "--json"))
    packages = json.loads(done(uv, "pip", "list", "--python", scripts / "python", "--format", "json"))

    assert (answer["status"], len(answer["responses"])) == ("ok", 3)
    assert len(packages) <= MOST_PACKAGES, [package["name"] for package in packages]
    packed = zipfile.ZipFile(wheel).namelist()
    assert {"fusion_graph/py.typed", "fusion_graph/presets.toml"} <= set(packed)
    assert {name.split("/")[0] for name in packed} == {
        "fusion_graph",
        f"fusion_graph-{fusion_graph.__version__}.dist-info",
    }
    with tarfile.open(sdist) as archive:
        tops = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert {"fusion_graph", "tests", "notebooks", "langgraph.json", "README.md", "LICENSE", "CHANGELOG.md"} <= tops
