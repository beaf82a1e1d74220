"""An import may only follow the arrows of docs/architecture.md."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("component", "jingle", "bosh", "bridge", "relay", "carillon")
LEAVES = ("jingle", "carillon.stun", "carillon.guard")
ARROWS = {
    "component": {"component", "jingle", "carillon"},
    "bridge": {"bridge", "jingle", "carillon"},
    "relay": {"relay", "carillon"},
    "bosh": {"bosh", "carillon"},
    "jingle": {"jingle"},
    "carillon": {"carillon"},
}


def imported_modules(path: Path) -> set[str]:
    """The absolute names of every module that a file imports."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules.add(node.module or "")
    return modules


def breach(module: str, imported: str) -> str | None:
    """Why `module` may not import `imported`, or None."""
    target = imported.split(".")[0]
    if target not in PACKAGES:
        return None
    if target not in ARROWS[module.split(".")[0]]:
        return f"{module} → {imported}"
    for leaf in LEAVES:
        if (module == leaf or module.startswith(leaf + ".")) and not (imported + ".").startswith(leaf + "."):
            return f"{module} (imports nothing of ours) → {imported}"
    return None


def test_every_import_follows_the_arrows() -> None:
    breaches: list[str] = []
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > len(PACKAGES)
    for path in files:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        breaches += [text for name in imported_modules(path) if (text := breach(module, name))]
    assert not breaches, "\n".join(breaches)


def test_a_wrong_arrow_is_noticed() -> None:
    assert breach("bridge.main", "component.link")
    assert breach("carillon.cli", "relay.main")
    assert breach("carillon.stun.message", "carillon.settings")
    assert breach("jingle.rtp", "carillon.log")
    assert not breach("relay.main", "carillon.stun.message")
    assert not breach("carillon.stun.message", "carillon.stun.attributes")
