"""Whatever is wrong with a recording, its page can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from good_recording import good_recording
from test_gates import CASES, Spoil
from ticks_samples import HEADER, INSTRUMENT

from market_maker.ticks.checking import Checked
from market_maker.ticks.columns import Ticks
from market_maker.ticks.foreign import Opened
from market_maker.ticks.parquet_file import Extent, Recording
from market_maker.ticks.quality import quality_of
from market_maker.ticks.quality_page import quality_page
from market_maker.ticks.stream_gate import gate_over


def checked(ticks: Ticks) -> Checked:
    path = Path("spoilt.parquet")
    extent = Extent(len(ticks), int(ticks.recv_ns[0]), int(ticks.recv_ns[-1]))
    sums = gate_over(ticks, INSTRUMENT.tick, INSTRUMENT.lot).sums()
    quality = quality_of(sums)
    opened = Opened(Recording(path, HEADER, extent), ticks, None, None, ticks.recv_ns[:0])
    return Checked(path, quality.verdict, quality.found, opened, quality, sums)


@pytest.mark.parametrize("spoil", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_every_flaw_stands_on_the_page(spoil: Spoil) -> None:
    judged = checked(spoil(good_recording()))
    page = quality_page(judged)
    assert page.endswith("</html>\n")
    assert len(page) < 300_000
    assert judged.verdict in page
    for item in judged.found:
        assert f"<code>{item.finding}</code>" in page
    assert "nan" not in page.split("</style>")[1]


def test_a_recording_of_one_row_has_a_page() -> None:
    assert "Verdict" in quality_page(checked(good_recording().part(0, 1)))
