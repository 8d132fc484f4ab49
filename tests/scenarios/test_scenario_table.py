"""The table of scenarios is true: every claim names a row, and the page shows the claims."""

from __future__ import annotations

import pytest
import table


def test_the_page_is_what_the_tests_claim() -> None:
    stale = "run: python tests/scenarios/table.py"
    assert table.README.read_text(encoding="utf-8") == table.render(), stale


def test_claims_and_excuses_name_rows_that_exist() -> None:
    assert set(table.claims()) | set(table.not_applicable()) <= set(table.titles())


def test_no_row_is_both_proven_and_excused() -> None:
    assert not set(table.claims()) & set(table.not_applicable())


def test_rows_are_numbered_without_a_hole() -> None:
    rows = [f"SC{number:02}" for number in range(1, 98)] + [f"INV{n}" for n in range(1, 10)]
    assert list(table.titles()) == rows


def test_every_row_is_proven_or_excused() -> None:
    done = set(table.claims()) | set(table.not_applicable())
    assert [row for row in table.titles() if row not in done] == []


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ('@pytest.mark.scenario("SC01", "SC02")\ndef test_a(): ...', ["SC01", "SC02"]),
        ('@pytest.mark.slow\n@pytest.mark.scenario("SC03")\nasync def test_a(): ...', ["SC03"]),
        ("def test_a(): ...", []),
    ],
)
def test_marks_are_read_from_the_tests(source: str, rows: list[str]) -> None:
    assert [row for _, row in table.claimed(source)] == rows
