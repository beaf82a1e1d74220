"""What ships: the wheel, and what Containerfile makes of it (the long test is `make test-image`)."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTRUCTIONS = [
    line.split(None, 1)
    for line in re.sub(r"\\\n\s*", "", (ROOT / "Containerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
PACKAGES = ("carillon", "component", "jingle", "bridge", "relay", "bosh")


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def test_the_image_is_made_of_files_that_are_here_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [word for value in values("COPY") if "--from" not in value for word in value.split()[:-1]]
    assert set(PACKAGES) < set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored


def test_the_image_runs_as_a_user_of_its_own_and_says_how_to_stop_and_to_ask_it() -> None:
    assert values("USER") == ["10001:10001"]
    assert values("STOPSIGNAL") == ["SIGTERM"]
    assert values("ENTRYPOINT") == ['["carillon"]'] and values("CMD") == ['["run"]']
    assert values("HEALTHCHECK")[0].endswith('CMD ["carillon", "health"]')
    assert values("VOLUME") == ["/etc/carillon /var/lib/carillon"]


def test_no_registry_is_named() -> None:
    images = [value.split()[0] for value in values("FROM")]
    assert images and all(re.fullmatch(r"[a-z]+:[\w.-]+", image) for image in images)


def test_every_variable_of_the_image_is_one_of_its_settings(tmp_path: Path) -> None:
    variables = dict(re.findall(r"(CARILLON_\w+)=(\S+)", "\n".join(values("ENV"))))
    assert len(variables) == 4
    asked = subprocess.run(
        [sys.executable, "-m", "carillon", "health"],
        env={**variables, "CARILLON_XMPP_DOMAIN": "example.org"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (asked.returncode, asked.stderr.partition(":")[2].strip()[:12]) == (1, "no part runs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what is installed already: a network is no part of this."""
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"
    source.mkdir()
    for path in ("pyproject.toml", "README.md", "LICENSE", "prosody-config", *PACKAGES):
        subprocess.run(["cp", "-a", ROOT / path, source], check=True)
    build = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(out)], cwd=source, check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_has_every_module_the_page_the_templates_and_the_reference(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules - names == set()
    templates = {f"carillon/templates/{path.name}" for path in (ROOT / "prosody-config").iterdir()}
    assert {"carillon/carillon.toml", "bosh/pages/index.html", *templates} - names == set()
    assert any(re.fullmatch(r"bosh/pages/assets/.+\.js", name) for name in names)
    assert not any(name.startswith(("tests/", "bench/", "web/")) for name in names)


def test_carillon_runs_from_the_wheel_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (here,) = {path for path in map(Path, sys.path) if (path / "slixmpp").is_dir()}  # its dependencies
    dependencies = tmp_path / "dependencies"
    dependencies.mkdir()
    for path in here.iterdir():
        if not path.name.startswith(("__editable__", "carillon")):
            (dependencies / path.name).symlink_to(path)
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    python = tmp_path / "venv" / "bin" / "python"
    for arguments in (["--help"], ["man", "carillon.toml"]):
        ran = subprocess.run(
            [python, "-m", "carillon", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "carillon" in ran.stdout
    where = subprocess.run(
        [python, "-c", "import carillon; print(carillon.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site))
