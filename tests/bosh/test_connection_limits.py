"""Connections by source."""

from bosh.connection_limits import Admission, ConnectionLimits


def test_one_source_cannot_take_what_all_may_have() -> None:
    limits = ConnectionLimits(5, 2)
    assert [limits.admit("a") for _ in range(3)] == [Admission.ADMITTED] * 2 + [Admission.SOURCE_FULL]
    assert [limits.admit("b") for _ in range(2)] == [Admission.ADMITTED] * 2
    assert [limits.admit("c"), limits.admit("d")] == [Admission.ADMITTED, Admission.FULL]
    limits.release("a")
    assert limits.admit("d") is Admission.ADMITTED


def test_the_connection_of_a_proxy_counts_for_the_client_that_uses_it() -> None:
    limits = ConnectionLimits(3, 1)
    assert [limits.admit(None) for _ in range(3)] == [Admission.ADMITTED] * 3
    assert limits.admit(None) is Admission.FULL
    assert limits.move(None, "a") is limits.move("a", "a") is Admission.ADMITTED
    assert limits.move(None, "a") is Admission.SOURCE_FULL
    assert limits.move(None, "b") is limits.move("a", None) is limits.move(None, "a") is Admission.ADMITTED
    for source in ("a", "b", None):
        limits.release(source)
    assert [limits.admit(source) for source in ("a", "b")] == [Admission.ADMITTED] * 2
