"""Connections by source."""

from bosh.connection_limits import Admission, ConnectionLimits


def test_one_source_cannot_take_what_all_may_have() -> None:
    limits = ConnectionLimits(5, 2)
    assert [limits.admit("a") for _ in range(3)] == [Admission.ADMITTED] * 2 + [Admission.SOURCE_FULL]
    assert [limits.admit("b") for _ in range(2)] == [Admission.ADMITTED] * 2
    assert [limits.admit("c"), limits.admit("d")] == [Admission.ADMITTED, Admission.FULL]
    limits.release("a")
    assert limits.admit("d") is Admission.ADMITTED
