"""carillon.credentials: the three forms of time-limited usernames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.credentials import Credential, expiry, issue, name_of, password_of


def test_a_credential_names_its_user_and_its_end() -> None:
    credential = issue("north", "romeo@example.org", 600, 1000.9)
    assert credential.username == "1600:romeo@example.org"
    assert credential.password == password_of("north", credential.username)
    assert credential.ttl == 600


def test_the_password_is_base64_of_hmac_sha1() -> None:
    # openssl: printf 1600:romeo | openssl dgst -sha1 -hmac north -binary | base64
    assert password_of("north", "1600:romeo") == "zKCMvaVm10BJ94vWA3z+ZD7iO8U="


def test_a_credential_may_name_nobody() -> None:
    assert issue("north", "", 600, 1000.0) == Credential("1600", password_of("north", "1600"), 600)


FORMS = [
    ("1600", 1600, ""),
    ("1600:romeo@example.org", 1600, "romeo@example.org"),
    ("1600:f0e1d2", 1600, "f0e1d2"),
    ("1600:a:b", 1600, "a:b"),
]


@pytest.mark.parametrize(("username", "end", "name"), FORMS)
def test_all_three_forms_are_understood(username: str, end: int, name: str) -> None:
    assert (expiry(username), name_of(username)) == (end, name)


@pytest.mark.parametrize(
    "username", ["", ":", "romeo", "1600:", " 1600", "-1", "+1", "1e3", "١٦٠٠", "1" * 16, "1:" + "é" * 256]
)
def test_other_usernames_have_no_expiry(username: str) -> None:
    assert expiry(username) is None
    assert name_of(username) == ""


@given(st.text())
def test_any_text_has_an_expiry_or_none(username: str) -> None:
    assert (expiry(username) is None) or username[0].isdigit()
    password_of("north", username)
