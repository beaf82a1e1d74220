"""What bridge-channel messages and speakers change between simulated browsers."""

from tests.bridge.media_world import World


def test_constraints_choose_the_layer_and_the_bytes() -> None:
    world = World()
    world.join("a", 100)
    high = world.join("b", 200, sends=False, height=720)
    low = world.join("c", 300, sends=False, height=180)
    none = world.join("d", 400, sends=False, height=0)
    world.run(5)
    assert {frame.order for frame in high.frames(101)[30:]} == {2}
    assert {frame.order for frame in low.frames(101)} == {0}
    assert none.frames(101) == []
    assert sum(map(len, low.raw)) < sum(map(len, high.raw)) / 3
    world.constrain("c", constraints={"a-v0": {"maxHeight": 360}})
    world.constrain("b", lastN=0)
    world.run(2)
    assert low.frames(101)[-1].order == 1
    low.received[101].check_pictures()
    assert high.frames(101)[-1].at < world.now - 1.5
    world.constrain("b", lastN=-1)
    world.run(2)
    assert high.frames(101)[-1].order == 2
    high.received[101].check_pictures()


def test_last_n_follows_the_speaker() -> None:
    world = World()
    senders = [world.join(name, base, speaks=False) for name, base in (("a", 100), ("b", 200), ("c", 300))]
    viewer = world.join("v", 900, sends=False, height=180)
    world.constrain("v", lastN=1)
    for speaking in (2, 0, 1):
        for sender in senders:
            sender.level = 127
        senders[speaking].level = 25
        world.run(6)
        fresh = [
            sender.name
            for sender in senders
            if viewer.frames(sender.base + 1)[-1:] and viewer.frames(sender.base + 1)[-1].at > world.now - 0.2
        ]
        assert fresh == [senders[speaking].name]
    changes = [
        message
        for message in viewer.messages
        if message["colibriClass"] == "DominantSpeakerEndpointChangeEvent"
    ]
    assert [message["dominantSpeakerEndpoint"] for message in changes if not message["silence"]] == [
        "c",
        "a",
        "b",
    ]
    assert changes[-1]["previousSpeakers"] == ["a", "c"]


def test_no_video_before_constraints_but_for_those_without_a_channel() -> None:
    world = World()
    world.join("a", 100)
    silent = world.join("b", 200, sends=False, channel=False)
    world.run(1.8)
    assert silent.frames(101) == []
    assert len(silent.received[100].arrived) > 80
    world.run(2)
    assert len(silent.frames(101)) > 40


def test_messages_are_relayed_with_their_true_sender() -> None:
    world = World()
    a, b, c = (world.join(name, base, sends=False) for name, base in (("a", 100), ("b", 200), ("c", 300)))
    world.join("plain", 400, sends=False, channel=False)
    for browser in (a, b, c):
        browser.messages.clear()
    payload = {"colibriClass": "EndpointMessage", "msgPayload": {"x": 1}, "from": "c"}
    world.router.receive_message("a", {**payload, "to": "b"}, world.now)
    world.router.receive_message("a", {**payload, "to": ""}, world.now)
    world.router.receive_message("a", {**payload, "to": "nobody"}, world.now)
    world.router.receive_message("a", {"colibriClass": "EndpointStats", "bitrate": 5}, world.now)
    direct = {**payload, "to": "b", "from": "a"}
    everybody = {**payload, "to": "", "from": "a"}
    statistics = {"colibriClass": "EndpointStats", "bitrate": 5, "from": "a"}
    assert b.messages == [direct, everybody, statistics]
    assert c.messages == [everybody, statistics]
    assert a.messages == []
    for _ in range(1000):
        world.router.receive_message("a", {**payload, "to": "b"}, world.now)
    assert len(b.messages) < 250


def test_senders_are_told_what_is_wanted_of_them() -> None:
    world = World()
    a = world.join("a", 100)
    world.join("b", 200, sends=False, height=180)

    def told() -> list[int]:
        return [m["maxHeight"] for m in a.messages if m["colibriClass"] == "SenderSourceConstraints"]

    world.run(3)
    assert told() == [180]
    world.constrain("b", constraints={"a-v0": {"maxHeight": 720}})
    world.run(0.1)
    assert told() == [180, 720]
    world.constrain("b", constraints={"a-v0": {"maxHeight": 360}})
    world.run(0.5)
    world.constrain("b", constraints={"a-v0": {"maxHeight": 720}})
    world.run(2)
    assert told() == [180, 720]
    world.constrain("b", constraints={"a-v0": {"maxHeight": 0}})
    world.run(4)
    assert told() == [180, 720, 0]
    world.join("plain", 300, sends=False, channel=False)
    world.run(3)
    assert told() == [180, 720, 0, 2160]
    world.router.receive_message(
        "a", {"colibriClass": "SourceVideoTypeMessage", "sourceName": "a-v0", "videoType": "none"}, world.now
    )
    world.run(3)
    assert told()[-1] == 0
    world.router.channel_open("a", world.now)
    world.run(3)
    assert told()[-2:] == [0, 0]


def test_an_endpoint_that_falls_silent_is_told() -> None:
    world = World()
    a = world.join("a", 100)
    b = world.join("b", 200, sends=False)
    world.router.consent("a", world.now)
    world.run(2)
    a.camera = a.microphone = False
    world.loss_up = 1.0
    world.run(12)
    late = world.join("c", 300, sends=False)
    world.loss_up = 0.0
    world.run(2)
    events = [m["active"] for m in b.messages if m["colibriClass"] == "EndpointConnectivityStatusChangeEvent"]
    assert events == ["false", "true"]
    assert [m["active"] for m in late.messages if m["colibriClass"].startswith("EndpointConn")] == [
        "false",
        "true",
    ]
