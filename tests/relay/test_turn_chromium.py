"""Two guests in a real Chromium who see each other only through the relay, by each way to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.relay.turn_client import credential, running_tls_relay

CALL = """async ([url, names]) => {
  const relayed = ([username, credential]) => new RTCPeerConnection(
    {iceServers: [{urls: url, username, credential}], iceTransportPolicy: 'relay'});
  const [one, two] = names.map(relayed);
  const seen = [];
  const pass = (from, to) => from.onicecandidate = ({candidate}) => {
    if (candidate) { seen.push(candidate.candidate); to.addIceCandidate(candidate); }
  };
  pass(one, two);
  pass(two, one);
  const channel = one.createDataChannel('words');
  const heard = new Promise((resolve) => {
    two.ondatachannel = (event) => event.channel.onmessage = (message) => resolve(message.data);
  });
  channel.onopen = () => channel.send('through the relay');
  await one.setLocalDescription();
  await two.setRemoteDescription(one.localDescription);
  await two.setLocalDescription();
  await one.setRemoteDescription(two.localDescription);
  const late = new Promise((resolve) => setTimeout(() => resolve('nothing'), 15000));
  return [await Promise.race([heard, late]), seen];
}"""


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_two_guests_talk_through_the_relay_alone(tmp_path: Path, transport: str) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: install Debian's package chromium"
    async with running_tls_relay(tmp_path) as (relay, tls_port):
        turn = relay._settings.turn
        url = {
            "udp": f"turn:127.0.0.1:{turn.udp_port}?transport=udp",
            "tcp": f"turn:127.0.0.1:{turn.tcp_port}?transport=tcp",
            "tls": f"turns:127.0.0.1:{tls_port}?transport=tcp",
        }[transport]
        users = [credential(f"x{number}@guest.localhost") for number in range(2)]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                # The certificate is self-signed.
                executable_path=chromium,
                args=["--no-sandbox", "--ignore-certificate-errors"],
            )
            page = await browser.new_page()
            heard, seen = await page.evaluate(CALL, [url, [[user.username, user.password] for user in users]])
            await browser.close()
        assert heard == "through the relay", seen
        assert seen and all(" typ relay " in candidate for candidate in seen)
        sockets = relay._sockets
        assert sockets is not None
        assert sockets.server.counters.packets_to_peers
