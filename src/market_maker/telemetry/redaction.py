"""Keeps secrets out of everything that is written: by key name, by value, and in URLs.

Owns the three rules. A key that names a secret loses its value; a known secret value is replaced wherever it
stands; the query of any URL goes, because that is where venues carry signatures and tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MASK = "***"
"""What stands where a secret stood."""

_SECRET_KEY = re.compile(
    r"(?:.*[_\-.])?(?:api[_\-]?key|secret|secrets|password|passphrase|passwd|token|signature"
    r"|authorization|auth|private[_\-]?key|credentials?|cookie)",
    re.IGNORECASE,
)
_URL_QUERY = re.compile(
    r"(?P<start>\b[a-z][a-z0-9+.\-]*://[^\s?#\"'<>]*)\?[^\s\"'<>]+", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?P<start>\b[a-z][a-z0-9+.\-]*://)[^\s/@\"'<>]+@", re.IGNORECASE)
_SHORTEST_VALUE = 4
"""Shorter values would mask ordinary words."""


class Redactor:
    """Masks secrets in text and in nested values; knows the secret values in force."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Know these values from the start."""
        values = sorted({s for s in secrets if len(s) >= _SHORTEST_VALUE}, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, values))) if values else None

    def text(self, text: str) -> str:
        """The text without secret values and URL queries."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        if "://" in text:
            text = _URL_QUERY.sub(rf"\g<start>?{MASK}", text)
            text = _URL_PASSWORD.sub(rf"\g<start>{MASK}@", text)
        return text

    def value(self, value: object, key: str = "") -> object:
        """The value without secrets, however deep they stand."""
        if key and is_secret_key(key):
            return MASK
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode(errors="replace"))
            case Mapping():
                return {str(k): self.value(v, str(k)) for k, v in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self.text(str(value))


def is_secret_key(key: str) -> bool:
    """Whether a key's name says that its value must not be shown."""
    return _SECRET_KEY.fullmatch(key) is not None
