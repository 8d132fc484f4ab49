from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.telemetry.redaction import MASK, Redactor, is_secret_key

SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=4, max_size=24)


@given(secret=SECRETS, before=st.text(max_size=10), after=st.text(max_size=10))
def test_a_known_value_never_passes(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(f"{before} {secret} {after}").replace(MASK, "")


@given(secret=SECRETS, depth=st.integers(0, 5))
def test_a_known_value_never_passes_however_deep(secret: str, depth: int) -> None:
    value: object = ("a", {"note": f"it is {secret}"})
    for _ in range(depth):
        value = {"inner": [value]}
    # Our own field names may be what the "secret" happens to be.
    shown = repr(Redactor([secret]).value(value))
    assert f"it is {secret}" not in shown


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    assert Redactor(["abcd", "abcdef"]).text("abcdef") == MASK


@pytest.mark.parametrize(
    "key",
    ["secret", "apiKey", "api_key", "API-KEY", "venue.password", "pushover_token", "signature"],
)
def test_names_of_secrets_are_known(key: str) -> None:
    assert is_secret_key(key)
    assert Redactor().value({key: "x1"}) == {key: MASK}


@pytest.mark.parametrize("key", ["price", "token_count", "secretary", "keys", "tokens", "order_id"])
def test_other_names_are_not(key: str) -> None:
    assert not is_secret_key(key)
    assert Redactor().value({key: "x1"}) == {key: "x1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://x.com/v1/o?sig=ab&t=1 failed", f"GET https://x.com/v1/o?{MASK} failed"),
        ("wss://u:p@x.com/s?k=1", f"wss://{MASK}@x.com/s?{MASK}"),
        ("what? no url", "what? no url"),
    ],
)
def test_urls_lose_their_query_and_password(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_numbers_and_none_stay_what_they_are() -> None:
    assert Redactor(["1234"]).value({"a": 1, "b": None, "c": True, "d": 0.5}) == {
        "a": 1,
        "b": None,
        "c": True,
        "d": 0.5,
    }
