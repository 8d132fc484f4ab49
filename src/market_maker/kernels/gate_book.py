"""The data gate's books: sequence, bridge and what the levels say.

Owns which rows count, as `market.OrderBook` decides it for the bot, and the comparison of a snapshot with
what deltas made of the one before. Refuses to know verdicts. What always holds: a book that lost its
sequence is no book until the next snapshot, and what came meanwhile is applied on that if it follows.
"""

from __future__ import annotations

from market_maker.kernels import gate_layout as at
from market_maker.kernels.book import Ints, clear_levels, differing, set_level, touch, worst
from market_maker.kernels.compiling import kernel
from market_maker.kernels.gate_notes import STATE, hold, note, point

_OLD_LIMIT = 100


@kernel(f"void({STATE})")
def lose(state: Ints) -> None:
    """Nothing counts until the next snapshot."""
    state[at.SYNCED] = 0
    state[at.PENDING] = 0
    state[at.OLD_IN_A_ROW] = 0
    for what in (at.CROSSED, at.LOCKED, at.MISSING_SIDE):
        hold(state, what, False, state[at.NOW])
    hold(state, at.NO_BOOK, True, state[at.NOW])


@kernel(f"void({STATE}, int64)")
def _note_old(state: Ints, seq: int) -> None:
    """A message behind what is known: ignored, until so many come that the venue must have restarted."""
    state[at.IGNORED] = 1
    state[at.OLD_IN_A_ROW] += 1
    if state[at.OLD_IN_A_ROW] >= _OLD_LIMIT:
        lose(state)
        state[at.RESET] = 1
    else:
        note(state, at.OLD, state[at.NOW], state[at.NOW], state[at.SEQ] - seq)


@kernel(f"void({STATE}, int64, int64)")
def _note_gap(state: Ints, what: int, missing: int) -> None:
    """Messages are missing before the present one."""
    note(state, what, state[at.NOW], state[at.NOW], missing)
    state[state[at.ROW] + at.T_GAPS] += 1
    state[at.AHEAD] = 0


@kernel(f"void({STATE}, int64, int64)")
def begin_delta(state: Ints, seq: int, previous: int) -> None:
    """Decide what a message of changes counts for."""
    state[at.NEXT_SEQ] = seq
    if state[at.SYNCED] == 0:
        return
    if state[at.NUMBERED] == 0:
        if state[at.BRIDGED] == 0:
            state[at.BRIDGED] = 1
            state[at.UNPROVEN] += 1
        return
    if seq <= state[at.SEQ]:
        if state[at.BRIDGED] == 1:
            _note_old(state, seq)
        else:
            # Snapshots come by a way of their own and may be ahead: what they hold already follows.
            state[at.IGNORED] = 1
            state[at.AHEAD] = 0
        return
    state[at.OLD_IN_A_ROW] = 0
    if previous > state[at.SEQ]:
        _note_gap(
            state,
            at.GAP if state[at.BRIDGED] == 1 else at.BRIDGE_BROKEN,
            previous - state[at.SEQ],
        )
        lose(state)
    elif state[at.BRIDGED] == 0:
        state[at.BRIDGED] = 1
        state[at.BRIDGES] += 1
        if state[at.AHEAD] > 0:
            _note_gap(state, at.GAP, state[at.AHEAD])


@kernel(f"void({STATE}, int64, int64, int64, int64)")
def _wait(state: Ints, side: int, price: int, qty: int, previous: int) -> None:
    """Keep a change for the next snapshot; when there are too many, the oldest half goes."""
    if state[at.NUMBERED] == 0:
        return
    n = state[at.PENDING]
    if n == at.N_PENDING:
        n = at.N_PENDING // 2
        half = at.PENDING_ROWS + n * at.PENDING_WIDTH
        for i in range(at.PENDING_ROWS, half):
            state[i] = state[i + half - at.PENDING_ROWS]
    slot = at.PENDING_ROWS + n * at.PENDING_WIDTH
    state[slot] = side
    state[slot + 1] = price
    state[slot + 2] = qty
    state[slot + 3] = state[at.NEXT_SEQ]
    state[slot + 4] = previous
    state[at.PENDING] = n + 1


@kernel(f"void({STATE}, {STATE}, int64, int64, int64, int64)")
def change(state: Ints, book: Ints, side: int, price: int, qty: int, previous: int) -> None:
    """One level of a message of changes; side 0 says that it has none."""
    if state[at.IGNORED] == 1:
        return
    if state[at.SYNCED] == 0:
        _wait(state, side, price, qty, previous)
    elif side != 0:
        set_level(book, side, price, qty)


@kernel(f"void({STATE}, {STATE}, int64)")
def begin_snapshot(state: Ints, spare: Ints, seq: int) -> None:
    """Begin the next book, unless the present one has already gone further."""
    state[at.NEXT_SEQ] = seq
    if state[at.NUMBERED] == 1 and state[at.RESET] == 0 and seq < state[at.SEQ]:
        _note_old(state, seq)
        return
    clear_levels(spare)


@kernel(f"int64({STATE}, {STATE})")
def _disagreement(book: Ints, spare: Ints) -> int:
    """Levels in which two books differ, as far out as both reach."""
    found = 0
    for sign in (1, -1):
        far, far_spare = worst(book, sign), worst(spare, sign)
        if far == 0 or far_spare == 0:
            found += far != far_spare
        else:
            edge = sign * max(sign * far, sign * far_spare)
            found += differing(spare, book, sign, edge)
    return found


@kernel(f"boolean({STATE}, {STATE})")
def _apply_waiting(state: Ints, book: Ints) -> bool:
    """Apply the changes that came before their snapshot; False if they do not follow on it."""
    for i in range(state[at.PENDING]):
        slot = at.PENDING_ROWS + i * at.PENDING_WIDTH
        seq = state[slot + 3]
        if seq < state[at.SEQ] or (seq == state[at.SEQ] and state[at.BRIDGED] == 0):
            continue
        if state[slot + 4] > state[at.SEQ] and seq != state[at.SEQ]:
            return False
        state[at.SEQ] = seq
        if state[at.BRIDGED] == 0:
            state[at.BRIDGED] = 1
            state[at.BRIDGES] += 1
        if state[slot] != 0:
            set_level(book, state[slot], state[slot + 1], state[slot + 2])
    return True


@kernel(f"void({STATE}, {STATE}, {STATE})")
def end_snapshot(state: Ints, book: Ints, spare: Ints) -> None:
    """Compare the new book with the old, take it, and apply what waited for it."""
    if state[at.IGNORED] == 1:
        return
    seq, now = state[at.NEXT_SEQ], state[at.NOW]
    if state[at.SYNCED] == 1 and (state[at.NUMBERED] == 0 or seq == state[at.SEQ]):
        wrong = _disagreement(book, spare)
        if wrong > 0:
            note(state, at.MISMATCH, now, now, wrong)
            state[state[at.ROW] + at.T_FOUND] += 1
    followed = state[at.SYNCED] == 1 and state[at.NUMBERED] == 1
    state[at.AHEAD] = max(seq - state[at.SEQ], 0) if followed else 0
    for i in range(len(book)):
        book[i] = spare[i]
    state[at.SEQ] = seq
    state[at.SYNCED] = 1
    state[at.RESET] = 0
    state[at.BRIDGED] = 0
    state[at.OLD_IN_A_ROW] = 0
    state[at.SNAPSHOTS] += 1
    hold(state, at.NO_BOOK, False, now)
    if not _apply_waiting(state, book):
        point(state, at.BRIDGE_BROKEN)
        lose(state)
    state[at.PENDING] = 0


@kernel(f"void({STATE}, {STATE})")
def judge(state: Ints, book: Ints) -> None:
    """What the levels say now."""
    if state[at.SYNCED] == 0:
        return
    bid, ask = touch(book)
    state[at.BOOK_BID] = bid
    state[at.BOOK_ASK] = ask
    now = state[at.NOW]
    both = bid > 0 and ask > 0
    hold(state, at.MISSING_SIDE, not both, now)
    hold(state, at.CROSSED, both and bid > ask, now)
    hold(state, at.LOCKED, both and bid == ask, now)
