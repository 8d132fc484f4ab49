"""Bugs in books: what was traded, what rests, what the market shows, and who is told."""

from __future__ import annotations

from planting import STILL, Bug, Edit

BOOK_BUGS = (
    Bug(
        name="fills_counted_twice",
        mistake="an execution that is reported again counts again",
        edits=(
            Edit(
                "ledger.fills",
                "        if known is not None:\n",
                "        if known is not None and known[0] < 0:\n",
            ),
        ),
        faults="private_twice",
        breaks=("S2", "S4", "S14", "L1"),
    ),
    Bug(
        name="funding_counted_twice",
        mistake="a funding payment that is reported again counts again",
        edits=(
            Edit(
                "ledger.fills",
                "if name in self.payments or time_ns < self.floor_ns:",
                "if time_ns < self.floor_ns:",
            ),
        ),
        faults="private_twice",
        breaks=("S14",),
        keys={"venue.simulated.funding_interval_s": 10},
    ),
    Bug(
        name="no_fill_history",
        mistake="executions are taken from the stream alone",
        edits=(
            Edit(
                "runtime.reconciler",
                "        fills = await ask(partial(venue.fills, since_ns))\n",
                "        fills = ()\n",
            ),
        ),
        faults="private_dropped",
        breaks=("L1", "S4"),
    ),
    Bug(
        name="watermark_without_overlap",
        mistake="the history counts as complete up to now, whatever the venue has yet to list",
        edits=(
            Edit(
                "ledger.ledger",
                "self._memory.pulled(until_ns - self._horizon_ns)",
                "self._memory.pulled(until_ns)",
            ),
        ),
        faults="query_lag,private_dropped",
        breaks=("L1", "S4"),
    ),
    Bug(
        name="rest_overwrites_stream",
        mistake="the position that a query reports replaces the one that the stream has led to",
        edits=(
            Edit(
                "ledger.ledger",
                "                if self._report is None or event.dated_ns >= self._report.dated_ns:\n"
                "                    self._report = event\n",
                "                self._report = event\n"
                "                self._valuation.adopt(event.qty)\n",
            ),
        ),
        faults="query_lag,response_late",
        breaks=("S2", "L1", "S14"),
    ),
    Bug(
        name="missing_orders_not_asked",
        mistake="an order that the venue's list lacks is never asked about",
        edits=(
            Edit(
                "ledger.reconcile",
                "    if accepted and listed and record.updated_ns < venue.asked_ns:\n",
                "    if accepted and listed and record.updated_ns < 0:\n",
            ),
        ),
        faults="mass_cancel,private_dropped",
        breaks=("L1", "L6"),
        keys={
            **STILL,
            "quoting.pipeline.urgent_bps": 50.0,
            "quoting.pipeline.max_age_s": 600.0,
            "ledger.in_flight_horizon_s": 3.0,
            "ledger.request_deadline_s": 1.0,
            "runtime.reconcile_period_s": 1.0,
        },
    ),
    Bug(
        name="private_feed_back_unsynced",
        mistake="quoting resumes when the private feed is back, without a resync",
        edits=(
            Edit(
                "runtime.feed_watch",
                "        if reason in halted:\n"
                '            return FeedFinding(repair=Repair.RESYNC, detail="private feed is back")\n',
                "        if reason in halted:\n            return FeedFinding(clears=reason)\n",
            ),
        ),
        faults="private_cut",
        breaks=("S11",),
    ),
    Bug(
        name="repair_lost_while_awaiting",
        mistake="a repair that is asked for while one of its kind goes on is forgotten with that one",
        edits=(
            Edit(
                "runtime.market_bot",
                "            await action(strategy.repairs.pop(repair))\n"
                "            await asyncio.sleep(backoff.pause_s(self._clock.monotonic_ns()))\n",
                "            await action(strategy.repairs[repair])\n"
                "            await asyncio.sleep(backoff.pause_s(self._clock.monotonic_ns()))\n"
                "            del strategy.repairs[repair]\n",
            ),
        ),
        faults="private_cut,half_open,swizzle",
        breaks=("L4",),
        keys={"runtime.resync_backoff_s": 4.0},
    ),
    Bug(
        name="own_orders_in_own_book",
        mistake="the book that quotes are priced from holds our own orders",
        edits=(
            Edit(
                "runtime.order_events",
                "        levels = ledger.own_levels()\n",
                "        levels: dict[tuple[Side, int], int] = {}\n",
            ),
        ),
        faults="none",
        breaks=("S10",),
    ),
    Bug(
        name="stale_book_is_valid",
        mistake="a book that nothing confirms any more is still priced from",
        edits=(
            Edit(
                "market.market",
                "        if (silent or self._contradicted) and verdict is not BookVerdict.GAPPED:\n",
                "        if silent and verdict is BookVerdict.EMPTY:\n",
            ),
        ),
        faults="book_frozen,half_open",
        breaks=("S10",),
    ),
    Bug(
        name="gap_ignored",
        mistake="a book that missed a change goes on as if it had not",
        edits=(
            Edit(
                "market.order_book",
                "        if delta.prev_seq > self.seq:\n",
                "        if delta.prev_seq < 0:\n",
            ),
        ),
        faults="book_gap",
        breaks=("S10",),
    ),
)
