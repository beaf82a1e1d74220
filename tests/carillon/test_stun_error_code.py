"""carillon.stun.error_code."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.stun import StunError, error_code, parse_error_code


@given(st.integers(300, 699), st.text(max_size=120))
def test_codes_come_back(code: int, reason: str) -> None:
    assert parse_error_code(error_code(code, reason)) == (code, reason)


@given(st.binary(max_size=20))
def test_any_value_parses_or_raises_stun_error(value: bytes) -> None:
    with contextlib.suppress(StunError):
        assert 300 <= parse_error_code(value)[0] <= 699


@pytest.mark.parametrize("value", [b"", b"\0\0\4", b"\0\0\2\0", b"\0\0\7\0", b"\0\0\4\x64", b"\0\0\4\1\xff"])
def test_values_of_wrong_form_are_refused(value: bytes) -> None:
    with pytest.raises(StunError):
        parse_error_code(value)


@pytest.mark.parametrize(("code", "reason"), [(299, ""), (700, ""), (400, "x" * 764)])
def test_what_is_no_error_code_is_refused(code: int, reason: str) -> None:
    with pytest.raises(StunError):
        error_code(code, reason)
