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


def test_on_paper_everything_is_compiled_before_the_bots_time_begins() -> None:
    """Else seconds of compiling would count as seconds without quotes."""
    loaded = _loaded_after(
        "from market_maker.app import paper; from market_maker.config.schema import Settings; "
        "paper.load_compiled(Settings())"
    )
    engine, kernels = "market_maker.quoting.engines.glft", "market_maker.kernels"
    names = {engine, f"{kernels}.fill_engine", f"{kernels}.gate", f"{kernels}.glft_quote"}
    assert names <= loaded
