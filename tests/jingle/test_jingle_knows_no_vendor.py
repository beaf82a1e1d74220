"""What only the Jitsi family says is said in the modules named for it."""

import ast
import re
from pathlib import Path

import jingle

ROOT = Path(jingle.__file__).parent
VENDOR = re.compile("jitsi|jicofo|jvb", re.IGNORECASE)


def test_no_other_module_holds_a_word_of_it() -> None:
    others = [p for p in ROOT.rglob("*.py") if p.relative_to(ROOT).parts[0] not in ("jitsi", "colibri2")]
    assert len(others) > 10
    texts = [
        (path.name, node.value)
        for path in others
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [(name, text) for name, text in texts if VENDOR.search(text)] == []
