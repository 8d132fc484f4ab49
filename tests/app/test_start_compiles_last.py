"""What a start imports, and when: nothing compiled before the venue is asked to cancel."""

import subprocess
import sys


def _loaded_after(statement: str) -> set[str]:
    """Names of the modules in a fresh interpreter after an import."""
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_process_is_up_before_anything_compiles() -> None:
    loaded = _loaded_after("import market_maker.app.sim")
    assert "market_maker.app.process" in loaded
    assert "numba" not in loaded


def test_the_venue_brings_no_kernels_but_its_own() -> None:
    loaded = _loaded_after(
        "import market_maker.app.sim, market_maker.venues.simulated.client, "
        "market_maker.venues.simulated.exchange, market_maker.venues.simulated.wire"
    )
    rooms = {
        f"market_maker.{room}.{name}"
        for room, name in (
            ("market", "order_book"),
            ("signals", "signal_set"),
            ("quoting", "pricing_engine"),
        )
    }
    assert not rooms & loaded
    assert "market_maker.kernels.matching" in loaded
