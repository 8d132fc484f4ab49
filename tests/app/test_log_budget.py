"""A healthy bot is quiet: its log lines, gathered over virtual minutes, fit the hour's budget."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.runtime.status import build_status
from market_maker.telemetry.reporter import Reporter

MINUTES = 5
PER_HOUR = 60


def test_a_healthy_bot_stays_inside_the_budget_of_lines() -> None:
    settings = Settings()
    captured = structlog.testing.CapturingLogger()
    reporter = Reporter(structlog.wrap_logger(captured), settings.logging.health_line_s)

    async def work(run: VirtualRun) -> None:
        start_ns = run.clock.now_ns()
        for _ in range(int(MINUTES * 60 / settings.metrics.status_period_s)):
            status = build_status(
                run.bot,
                run.clock,
                mode="sim",
                venue="simulated",
                started_ns=start_ns,
                clock_offset_s=0.0,
                log_tail=lambda _count: (),
            )
            reporter.observe(status)
            await asyncio.sleep(settings.metrics.status_period_s)
        market = status.markets["SOL-USD"]
        assert market.fills > 0
        account = status.account
        assert account is not None
        assert account.equity_quote == market.equity_quote
        assert account.day_pnl_quote == market.pnl.total
        assert account.drawdown_quote >= -account.day_pnl_quote
        await run.stop()

    run = VirtualRun(settings)
    run.run(work)
    written: list[Any] = [call.method_name for call in captured.calls]
    assert written.count("info") + len(run.log) <= PER_HOUR * MINUTES / 60
    assert set(written) <= {"info", "warning"}
    assert settings.logging.info_lines_per_hour == PER_HOUR
