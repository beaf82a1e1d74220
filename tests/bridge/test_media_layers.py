"""Which layers reach whom when screens are shared: through the whole router, between simulated browsers."""

from bridge.media import rtcp
from jingle.colibri2 import MediaSource
from tests.bridge.media_browser import Browser
from tests.bridge.media_packets import sources
from tests.bridge.media_world import World


def share_screen(world: World, owner: str, screen: Browser, *, video_type: str = "desktop") -> None:
    """`screen` sends, under its own SSRCs, a second video source of `owner` beside the camera."""
    camera = sources(owner, world.browsers[owner].base, len(world.browsers[owner].layers))
    shared = sources(owner, screen.base, len(screen.layers))[1]
    second = MediaSource(f"{owner}-v1", "video", shared.sources, shared.groups)
    world.router.set_sources(owner, (*camera, second), world.now)
    message = {"colibriClass": "SourceVideoTypeMessage", "sourceName": second.id, "videoType": video_type}
    world.router.receive_message(owner, message, world.now)


def with_screen(world: World, layers: int = 3) -> Browser:
    """A browser with a camera that shares its screen."""
    a = world.join("a", 100)
    screen = Browser(world, "a", 150, layers=layers)
    screen.extensions = a.extensions  # type: ignore[method-assign]  # one transport numbers both

    def receive_rtcp(data: bytes) -> None:
        Browser.receive_rtcp(a, data)
        Browser.receive_rtcp(screen, data)

    a.receive_rtcp = receive_rtcp  # type: ignore[method-assign]
    world.every(1 / 30, screen.send_frame, first=0.005)
    world.every(1.0, screen.send_reports, first=0.35)
    share_screen(world, "a", screen)
    return a


def test_three_constraints_get_three_layers() -> None:
    world = World()
    world.join("a", 100)
    receivers = [
        world.join(name, base, sends=False, height=height)
        for name, base, height in (("b", 200, 180), ("c", 300, 360), ("d", 400, 720))
    ]
    world.run(3)
    for order, receiver in enumerate(receivers):
        assert {frame.order for frame in receiver.frames(101)[-30:]} == {order}
        assert receiver.frames(101)[-1].at > world.now - 0.1


def test_a_screen_beside_the_camera_is_a_second_stream() -> None:
    world = World()
    a = with_screen(world)
    b = world.join("b", 200, sends=False)
    world.run(3)
    assert set(b.received) == {100, 101, 151}
    for ssrc in (101, 151):
        assert len(b.frames(ssrc)) > 80
        assert b.frames(ssrc)[-1].order == 2
        b.received[ssrc].check_pictures()
    told = {
        message["sourceName"]: message["maxHeight"]
        for message in a.messages
        if message["colibriClass"] == "SenderSourceConstraints"
    }
    assert told == {"a-v0": 720, "a-v1": 720}
    world.constrain("b", constraints={"a-v0": {"maxHeight": 180}, "a-v1": {"maxHeight": 720}})
    world.run(2)
    assert b.frames(101)[-1].order == 0
    assert b.frames(151)[-1].order == 2
    world.router.set_sources("a", sources("a", 100), world.now)
    world.run(1)
    assert b.frames(151)[-1].at < world.now - 0.8
    assert b.frames(101)[-1].at > world.now - 0.2


def test_losses_of_a_screen_are_repaired() -> None:
    world = World(loss=0.02)
    with_screen(world, layers=1)
    b = world.join("b", 200, sends=False)
    world.run(4)
    assert b.received[151].repaired > 0
    assert len(b.frames(151)) > 95


def test_a_screen_is_never_dropped_to_the_smallest_layer() -> None:
    world = World()
    with_screen(world)
    b = world.join("b", 200, sends=False, height=180)
    world.run(3)
    assert b.frames(101)[-1].order == 0
    assert b.frames(151)[-1].order == 1
    world.constrain("b", defaultConstraints={"maxHeight": 720}, assumedBandwidthBps=100_000)
    world.run(3)
    assert b.frames(101)[-1].order == 0
    assert b.frames(151)[-1].order == 1
    b.received[151].check_pictures()


def test_heavy_loss_leaves_a_screen_readable() -> None:
    world = World()
    with_screen(world)
    b = world.join("b", 200, sends=False)
    world.run(3)
    for second in range(6):
        highest = {ssrc: b.received[ssrc].highest for ssrc in (101, 151)}
        blocks = [
            rtcp.ReportBlock(ssrc, 128, (second + 1) * 2000, highest[ssrc] & 0xFFFFFFFF, 0, 0, 0)
            for ssrc in highest
        ]
        world.router.receive_rtcp("b", rtcp.receiver_report(1, blocks), world.now)
        world.run(0.5)
    assert {frame.order for frame in b.frames(151)[-20:]} <= {1, 2}


def test_a_screen_of_one_layer_is_always_sent() -> None:
    world = World()
    with_screen(world, layers=1)
    b = world.join("b", 200, sends=False, height=180)
    world.run(2)
    assert b.frames(151)[-1].at > world.now - 0.1
