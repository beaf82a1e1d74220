"""A component that writes down what it hears before it acknowledges it, as a process that a test may kill.

    python -m tests.component.recording_component CONFIG FILE [ROOM]

With ROOM it joins that room as `focus` when its session begins. Lines of FILE: `up SESSION`, `down`,
`replaced`, and `heard NUMBER` for the body of each groupchat message. It answers pings.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from xml.etree.ElementTree import Element

from carillon.settings import load
from component.focus.own_presence import join_presence
from component.links import link_of
from component.stanza import COMPONENT_NS

BODY = f"{{{COMPONENT_NS}}}body"


async def main(config: str, file: str, room: str = "") -> None:
    """Until it is killed or replaced."""
    settings = load(Path(config))
    record = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    link = link_of(settings, settings.focus.domain)
    end = asyncio.Event()

    def write(line: str) -> None:
        os.write(record, f"{line}\n".encode())

    def on_message(message: Element) -> None:
        body = message.findtext(BODY)
        if message.get("type") == "groupchat" and body:
            write(f"heard {body}")

    def on_state(up: bool) -> None:
        write(f"up {link.session}" if up else "down")
        if up and room:
            link.send(join_presence(room, f"focus@{link.domain}/recording", "focus"))

    def on_replaced() -> None:
        write("replaced")
        end.set()

    link.on_message(on_message)
    link.on_state(on_state)
    link.on_iq("get", "{urn:xmpp:ping}ping", lambda iq: None)
    link.on_replaced(on_replaced)
    await link.start()
    await end.wait()
    await link.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
