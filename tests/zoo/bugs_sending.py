"""Bugs in what may be sent, when, and how often."""

from __future__ import annotations

from planting import PATIENT, REPLACING, Bug, Edit

SENDING_BUGS = (
    Bug(
        name="reserve_after_sending",
        mistake="an order is reserved once its answer has come",
        edits=(
            Edit("risk.risk_manager", "        self._ledger.reserve(approved)\n", ""),
            Edit(
                "runtime.level_task",
                "                await executor.send(command)\n",
                "                outcome = await executor.send(command)\n"
                "                strategy.parts.ledger.reserve(command)\n"
                "                strategy.step(outcome)\n",
            ),
        ),
        faults="response_late",
        breaks=("S1", "S2", "S3"),
    ),
    Bug(
        name="check_await_reserve",
        mistake="something is awaited between the check of the limit and the reservation",
        edits=(
            Edit("risk.risk_manager", "        self._ledger.reserve(approved)\n", ""),
            Edit(
                "runtime.level_task",
                "                await executor.send(command)\n",
                "                await asyncio.sleep(0.02)\n"
                "                strategy.parts.ledger.reserve(command)\n"
                "                await executor.send(command)\n",
            ),
            Edit(
                "runtime.level_task",
                "from market_maker.core.clock import Clock\n",
                "import asyncio\n\nfrom market_maker.core.clock import Clock\n",
            ),
        ),
        faults="none",
        breaks=("S1", "S18"),
    ),
    Bug(
        name="limit_without_reservations",
        mistake="the limit is checked against the position, not against what may still fill",
        edits=(
            Edit(
                "risk.risk_manager",
                "            worst = ledger.worst_long + added\n",
                "            worst = ledger.position + added\n",
            ),
            Edit(
                "risk.risk_manager",
                "            worst = added - ledger.worst_short\n",
                "            worst = added - ledger.position\n",
            ),
        ),
        faults="none",
        breaks=("S1",),
    ),
    Bug(
        name="retry_with_new_id",
        mistake="a request without an answer is sent again under another id",
        edits=(
            Edit(
                "runtime.executor",
                "        return await self._request(order.kind, order.client_id, call(order))\n",
                "        outcome = await self._request(order.kind, order.client_id, call(order))\n"
                "        if outcome.result is Result.UNKNOWN:\n"
                "            again = msgspec.structs.replace(\n"
                '                order, client_id=f"{order.client_id}f", token=order.token + 1\n'
                "            )\n"
                "            await self._request(order.kind, again.client_id, call(again))\n"
                "        return outcome\n",
            ),
            Edit(
                "runtime.executor",
                "from market_maker.core.clock import Clock\n",
                "import msgspec\n\nfrom market_maker.core.clock import Clock\n",
            ),
        ),
        faults="response_lost",
        breaks=("S3",),
    ),
    Bug(
        name="retry_after_ignored",
        mistake="a venue that asks for a pause is not obeyed",
        edits=(
            Edit(
                "risk.rates",
                "        self._paused_until_ns[lane] = max(self._paused_until_ns[lane], until_ns)\n",
                "        del lane, until_ns\n",
            ),
        ),
        faults="rate_limit,ban",
        breaks=("S12",),
    ),
    Bug(
        name="cancels_have_no_share",
        mistake="orders may use the whole budget, so that none is left for cancels",
        edits=(
            Edit(
                "risk.rates",
                "max(1, limit - max(1, math.ceil(limit * cancel_reserve)))",
                "limit + 0 * math.ceil(cancel_reserve)",
            ),
        ),
        faults="none",
        breaks=("S12",),
        keys={"risk.requests_per_window": 30},
    ),
    Bug(
        name="gate_not_asked",
        mistake="orders are decided and approved without a look at the gate",
        edits=(
            Edit(
                "runtime.decider",
                "        elif not parts.gate.is_open or ladder is None or readings is None:\n",
                "        elif ladder is None or readings is None:\n",
            ),
            Edit(
                "risk.risk_manager",
                "        if not self._gate.is_open:\n",
                "        if not self._gate:\n",
            ),
        ),
        faults="private_cut",
        breaks=("S11",),
    ),
    Bug(
        name="epoch_not_advanced",
        mistake="a restarted bot continues with the epoch of its last session",
        edits=(
            Edit(
                "runtime.state",
                "epoch = max(0 if stored is None else int(stored) + 1, now_ns // 1_000_000)",
                "epoch = now_ns // 1_000_000 if stored is None else int(stored)",
            ),
        ),
        faults="crash",
        breaks=("S15", "S18"),
    ),
    Bug(
        name="own_orders_may_cross",
        mistake="an order is not compared with our own on the other side",
        edits=(
            Edit(
                "risk.order_checks",
                "        if own > 0 and selfish:\n",
                "        if own > 0 and selfish and order.reduce_only:\n",
            ),
        ),
        faults="request_lost,response_lost",
        breaks=("S8",),
        keys={**PATIENT, **REPLACING, "venue.simulated.market.volatility_bps": 4.0},
    ),
    Bug(
        name="halt_keeps_orders",
        mistake="orders go on resting whatever the halt",
        edits=(
            Edit(
                "risk.gate",
                "return Resting.CANCEL if cancels else Resting.KEEP",
                "return Resting.KEEP if cancels else Resting.KEEP",
            ),
        ),
        faults="market_cut",
        breaks=("S11",),
    ),
    Bug(
        name="kill_stops_at_first_empty",
        mistake="one empty answer from the venue ends the kill procedure",
        edits=(
            Edit(
                "runtime.sweep",
                "            if empty and (settled or now_ns - empty_since_ns > horizon_s * NANOS):\n",
                "            if empty and (settled or horizon_s):\n",
            ),
        ),
        faults="kill,request_late",
        breaks=("L3", "L5", "L6"),
        keys=REPLACING,
    ),
    Bug(
        name="kill_latch_not_saved",
        mistake="the kill switch lives in memory only",
        edits=(
            Edit(
                "risk.kill_switch",
                "            self._store.save(latches)\n",
                "            self._store.load()\n",
            ),
        ),
        faults="kill,crash",
        breaks=("L3",),
    ),
    Bug(
        name="flatten_before_cancels",
        mistake="the exit from the position begins while orders still rest",
        edits=(
            Edit(
                "runtime.market_bot",
                "                await self.sweep.run()\n"
                "                if flatten_slippage_bps is not None:\n",
                "                if flatten_slippage_bps is not None:\n"
                "                    await self.flatten(flatten_slippage_bps)\n"
                "                await self.sweep.run()\n"
                "                if flatten_slippage_bps is not None:\n",
            ),
        ),
        faults="request_late,response_late",
        breaks=("L6",),
        keys={"shutdown.flatten": True},
    ),
    Bug(
        name="dead_man_disarmed_first",
        mistake="a shutdown disarms the dead-man's switch before it knows that nothing rests",
        edits=(
            Edit(
                "runtime.market_bot",
                "                await self.sweep.run()\n"
                "                if flatten_slippage_bps is not None:\n",
                "                await self.dead_man.arm(0)\n"
                "                await self.sweep.run()\n"
                "                if flatten_slippage_bps is not None:\n",
            ),
        ),
        faults="response_late",
        breaks=("L6",),
    ),
    Bug(
        name="cancel_all_trusted",
        mistake="a shutdown ends when its mass cancel was accepted",
        edits=(
            Edit(
                "runtime.market_bot",
                "                await self.sweep.run()\n"
                "                if flatten_slippage_bps is not None:\n",
                "                if await self.reconciler.cancel_ours():\n"
                "                    return Ending(clean=True, flat=flat)\n"
                "                if flatten_slippage_bps is not None:\n",
            ),
        ),
        faults="request_late",
        breaks=("L5", "L6"),
        keys=REPLACING,
    ),
)
