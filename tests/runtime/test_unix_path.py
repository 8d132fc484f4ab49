"""Sockets are made where nothing else is lost by it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from market_maker.core.errors import UnusableError
from market_maker.runtime.unix_path import fitting_path, listen


def _reaches(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller, fitting_path(path) as name:
        return caller.connect_ex(name) == 0


def test_a_file_is_never_replaced_by_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[risk]\n", encoding="utf-8")
    with pytest.raises(UnusableError, match="is not a socket: choose another path"):
        listen(path)
    assert path.read_text(encoding="utf-8") == "[risk]\n"


def test_a_link_to_a_file_is_kept_too(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "missing")
    with pytest.raises(UnusableError, match="is not a socket"):
        listen(link)
    assert link.is_symlink()


def test_a_socket_in_use_stays_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "exchange.sock"
    with listen(path) as first:
        first.listen()
        with pytest.raises(UnusableError, match="another process listens"):
            listen(path)
        assert _reaches(path)


def test_a_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "exchange.sock"
    listen(path).close()
    with listen(path) as second:
        second.listen()
        assert _reaches(path)


def test_a_name_beyond_any_limit_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="too long"):
        listen(tmp_path / ("x" * 200))
