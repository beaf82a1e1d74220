"""The documentation says what is so: its commands run, its examples are read, its links lead somewhere."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

from carillon import cli
from carillon.control import ask
from carillon.part import PARTS, control_socket
from carillon.settings import Settings, load, parse
from tests.component.guest import Guest
from tests.dev_server import DevServer
from tests.doc_house import House
from tests.doc_pages import BLOCK, PAGES, ROOT, Block, blocks, headings, links, programs

MAX_LINES = 220
SHELLS = ("sh", "console")
RIGHT_TOO = {
    r"\| diff ": 1,  # there is a difference
    r"^carillon (participants|rooms end) ": 1,  # nobody meets there
}
"""By command: an exit status that is as right as 0."""
MEETING = ("8f26c11d", "ac110002")
"""Who is in the meeting `weekly` that the page on administration looks at."""
NOBODY = nullcontext()


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory, deployment: DevServer) -> House:
    """In a directory with a short name: the path of a socket may have 107 bytes."""
    return House(tmp_path_factory.mktemp("docs"), deployment)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


@asynccontextmanager
async def meeting(room: str, *nicks: str, settings: Settings) -> AsyncIterator[None]:
    """People in a room of the deployment."""
    guests = [await Guest.login(settings, room, nick) for nick in nicks]
    for guest in guests:
        await guest.enter()
        await guest.until(partial(guest.presences.get, guest.nick))
    try:
        yield
    finally:
        for guest in guests:
            await guest.client.close()


@pytest.mark.parametrize("page", PAGES, ids=named)
async def test_the_commands_of_a_page_run_in_its_configuration(
    page: Path, house: House, deployment: DevServer
) -> None:
    settings = load(deployment.directory / "carillon.toml")
    async with meeting("weekly", *MEETING, settings=settings) if page.stem == "administration" else NOBODY:
        await asyncio.to_thread(_commands_run, page, house)


def _commands_run(page: Path, house: House) -> None:
    for block in blocks(page):
        if block.language == "toml":
            parse(house.configure(block.text), house.config)
        elif block.unit:
            house.units.joinpath(block.unit).write_text(block.text)
        elif block.language in SHELLS:
            for command in block.commands():
                ran = house.run(command)
                right = {0, *(RIGHT_TOO[one] for one in RIGHT_TOO if re.search(one, command))}
                assert ran.returncode in right, f"{block.where}: {command}\n{ran.stdout}{ran.stderr}"


def checked_by(*command: str) -> Callable[[Path], list[str]]:
    return lambda file: [*command, str(file)]


def _erlang(file: Path) -> list[str]:
    code = (
        "{ok, _} = application:ensure_all_started(fast_yaml),"
        f'{{ok, _}} = fast_yaml:decode_from_file("{file}"), halt(0).'
    )
    return ["erl", "-noinput", "-eval", code]


READERS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "lua": (".lua", checked_by("luac", "-p")),
    "yaml": (".yml", _erlang),
    "nft": (".nft", checked_by("unshare", "--map-root-user", "--net", "nft", "--check", "--file")),
    "js": (".mjs", checked_by("node", "--check")),
    "ini": (".service", checked_by("systemd-analyze", "verify", "--man=no")),
    "json": (".json", checked_by("python3", "-m", "json.tool")),
}
"""By language: the ending of a file, and what reads it."""

EXAMPLES = [block for page in PAGES for block in blocks(page) if block.language not in (*SHELLS, "toml", "")]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.page.stem}-{block.line}")
def test_an_example_is_read_by_what_it_is_for(block: Block, tmp_path: Path) -> None:
    ending, reader = READERS[block.language]
    name = "example"
    if "[Socket]" in block.text:
        ending = ".socket"
        (tmp_path / "example.service").write_text("[Service]\nExecStart=/bin/true\n")
    file = tmp_path / (name + ending)
    file.write_text(block.text)
    read = subprocess.run(reader(file), capture_output=True, text=True, check=False)
    assert read.returncode == 0, f"{block.where}: {read.stdout}{read.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        file = (page.parent / target).resolve()
        assert file.exists() and file.is_relative_to(ROOT), f"{page.name}: {target}"
        assert not anchor or anchor in headings(file), f"{page.name}: {target}#{anchor}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {target for target, _ in links(index)}
    assert {page.name for page in index.parent.glob("*.md")} - listed == {index.name}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_is_short_and_names_only_settings_that_exist(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    settings = parse("", tmp_path / "carillon.toml")
    for section, key in re.findall(r"`([a-z0-9]+)\.([a-z0-9_]+)`", text):
        if hasattr(settings, section) and (section, key) not in {("carillon", "toml")}:
            assert hasattr(getattr(settings, section), key), f"{page.name}: {section}.{key}"


def _families(settings: Settings, part: str) -> dict[str, str]:
    """What the running part tells: names and help texts, without what every Python program has."""
    status, text = asyncio.run(ask(control_socket(part, settings), "/metrics"))
    assert status == 200
    told = dict(line.removeprefix("# HELP ").split(" ", 1) for line in _lines(text, "# HELP "))
    types = dict(line.removeprefix("# TYPE ").split(" ", 1) for line in _lines(text, "# TYPE "))
    return {
        name: words.rstrip(".")
        for name, words in told.items()
        if not name.startswith(("process_", "python_"))
        and not (name.endswith("_created") and types[name] == "gauge")
    }


def _lines(text: str, start: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.startswith(start))


@pytest.mark.parametrize("part", PARTS)
def test_the_page_of_metrics_has_what_a_running_part_tells_and_nothing_else(
    part: str, deployment: DevServer
) -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    chapter = text.partition(f"## The {part}\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", chapter, re.M))
    assert rows == _families(load(deployment.directory / "carillon.toml"), part)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("carillon check", ["carillon"]),
        ("(umask 027 && carillon snippet prosody > /etc/x.lua)", ["umask", "carillon"]),
        (
            "CARILLON_CONFIG=x /opt/carillon/bin/carillon check | diff x -",
            ["/opt/carillon/bin/carillon", "diff"],
        ),
        ("make run ARGS='--user a:b; rm x'", ["make"]),
        ("git clone <this repository> carillon", ["git"]),
    ],
)
def test_the_programs_of_a_command_line_are_found(command: str, names: list[str]) -> None:
    assert programs(command) == names


def test_a_command_that_nobody_has_made_a_rule_for_is_not_run(house: House) -> None:
    with pytest.raises(KeyError, match="no rule for reboot"):
        house.run("umask 027 && reboot")


def _inline(page: Path, program: str) -> list[str]:
    """What is in backticks in running text and begins with `program`, without examples of the form A|B."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(rf"`({program} [^`|]+)`", text.replace("\n", " "))
    return [command for command in found if "COMMAND" not in command]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_command_in_running_text_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in _inline(page, "carillon"):
        arguments = shlex.split(command)[1:]
        try:
            cli.parser_for(arguments).parse_args(arguments)
        except SystemExit as ended:
            said = capsys.readouterr().err  # running text may leave out what a command needs
            assert ended.code == 0 or "arguments are required" in said, f"{page.name}: {command}: {said}"


def test_a_target_of_make_in_running_text_is_one() -> None:
    targets = set(re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text(), re.M))
    known = {target for line in targets for target in line.split()}
    for page in PAGES:
        assert [one for one in _inline(page, "make") if one.split()[1] not in known] == []
