"""`carillon dev` with the parts of `stub_part.py`: the real Prosody, and nothing else that could fail."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from carillon import dev
from carillon.cli import failing_in_words

STUB = str(Path(__file__).with_name("stub_part.py"))


def main() -> int:
    parser = argparse.ArgumentParser()
    dev.add_command(parser)
    parser.add_argument(
        "--relay", dest="behaviour", action="append", default=[], help="how the relay behaves"
    )
    arguments = parser.parse_args()

    def argv(name: str, config: Path) -> tuple[str, ...]:
        behaviour = arguments.behaviour if name == "relay" else []
        return (sys.executable, STUB, name, "--config", str(config), *behaviour)

    return failing_in_words(lambda: dev.run(dev.options_of(arguments), argv))


if __name__ == "__main__":
    sys.exit(main())
