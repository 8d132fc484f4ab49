"""What is on its way: requests to the market and reports to the bot, each with its delay.

Owns both queues, their order and the drawing of delays. Refuses to know what a request asks for. What
always holds: requests come out by acting time, reports by due time, equal times in the order they
went in; the private stream keeps its own order; nothing is due before it happened.
"""

from __future__ import annotations

from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_layout import (
    AT,
    CANCEL,
    CAUSE,
    CAUSE_KIND,
    CHANNEL,
    D_FEED,
    D_PLACE,
    D_RESPONSE,
    D_STREAM,
    DELAY_COUNT,
    DELAY_SHIFT,
    DELAYS,
    DIRECT,
    DUE,
    FOREVER,
    FUNDING_DUE,
    INTS,
    KIND,
    NEXT_NS,
    NOW,
    OVERFLOWED,
    POSITION,
    POSITION_AFTER,
    Q_ACT,
    Q_ANSWER,
    Q_FEED,
    Q_FLAGS,
    Q_KIND,
    Q_ORDER,
    Q_PRICE,
    Q_QTY,
    Q_REQUEST,
    Q_SIDE,
    Q_WIDTH,
    RECORD,
    REPORT_CAPACITY,
    REPORT_COUNT,
    REPORT_HEAD,
    REPORT_WIDTH,
    REPORTS,
    REQUEST,
    REQUEST_CAPACITY,
    REQUEST_COUNT,
    REQUEST_HEAD,
    REQUEST_KIND,
    REQUESTS,
    RESPONSE,
    ROW,
    ROW_INDEX,
    ROW_VENUE,
    SKEW,
    STREAM_DUE,
    STREAMS,
    VENUE,
    Bits,
    Ints,
)
from market_maker.kernels.random_bits import bit_field, next_bits


@kernel(f"int64({INTS}, {STREAMS}, int64)")
def draw(s: Ints, r: Bits, which: int) -> int:
    """Delay of the next message of a kind."""
    place = bit_field(next_bits(r, which), DELAY_SHIFT, DELAY_COUNT - 1)
    delay: int = s[DELAYS + which * DELAY_COUNT + place]
    return delay


@kernel(f"int64({INTS})")
def next_report_ns(s: Ints) -> int:
    """When the earliest report is due."""
    if s[REPORT_COUNT] == 0:
        return FOREVER
    due: int = s[REPORTS + s[REPORT_HEAD] * REPORT_WIDTH + DUE]
    return due


@kernel(f"int64({INTS})")
def next_request_ns(s: Ints) -> int:
    """When the earliest request acts."""
    if s[REQUEST_COUNT] == 0:
        return FOREVER
    due: int = s[REQUESTS + s[REQUEST_HEAD] * Q_WIDTH + Q_ACT]
    return due


@kernel(f"void({INTS})")
def reckon(s: Ints) -> None:
    """Note when something happens next that no row brings."""
    s[NEXT_NS] = min(next_report_ns(s), next_request_ns(s), s[FUNDING_DUE])


@kernel(f"int64({INTS})")
def next_due_ns(s: Ints) -> int:
    """When a report is due, a request acts or funding is paid, whichever is first."""
    due: int = s[NEXT_NS]
    return due


@kernel(f"int64({INTS}, {STREAMS}, int64, int64, int64, int64, int64, int64, int64, int64)")
def push_request(
    s: Ints,
    r: Bits,
    kind: int,
    request: int,
    sent_ns: int,
    order: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> int:
    """Send a request; when it acts on the receive clock, or -1 if too many are under way."""
    if s[REQUEST_COUNT] == REQUEST_CAPACITY:
        return -1
    up = feed = down = 0
    if not flags & DIRECT:
        up = draw(s, r, D_PLACE + min(kind, CANCEL) - 1)
        feed = draw(s, r, D_FEED)
        down = draw(s, r, D_RESPONSE)
    act_ns = sent_ns + up + feed
    k = s[REQUEST_COUNT]
    s[REQUEST_COUNT] += 1
    at = REQUESTS + ((s[REQUEST_HEAD] + k) % REQUEST_CAPACITY) * Q_WIDTH
    while k > 0:
        before = REQUESTS + ((s[REQUEST_HEAD] + k - 1) % REQUEST_CAPACITY) * Q_WIDTH
        if s[before + Q_ACT] <= act_ns:
            break
        for field in range(Q_WIDTH):
            s[at + field] = s[before + field]
        at = before
        k -= 1
    s[at + Q_ACT] = act_ns
    s[at + Q_KIND] = kind
    s[at + Q_REQUEST] = request
    s[at + Q_ORDER] = order
    s[at + Q_SIDE] = side
    s[at + Q_PRICE] = price
    s[at + Q_QTY] = qty
    s[at + Q_FLAGS] = flags
    s[at + Q_ANSWER] = sent_ns + up + down
    s[at + Q_FEED] = feed
    s[NEXT_NS] = min(s[NEXT_NS], act_ns)
    return act_ns


@kernel(f"int64({INTS}, {STREAMS}, int64, int64)")
def _due(s: Ints, r: Bits, channel: int, cause: int) -> int:
    """When a report about now reaches the bot; `cause` is the acting request's place or -1."""
    now = s[NOW]
    if channel == RECORD:
        return int(now)
    direct = cause >= 0 and s[cause + Q_FLAGS] & DIRECT != 0
    if channel == RESPONSE:
        return int(max(now, s[cause + Q_ANSWER]))
    if not direct:
        feed = s[cause + Q_FEED] if cause >= 0 else draw(s, r, D_FEED)
        now = max(now, now - feed + draw(s, r, D_STREAM))
    s[STREAM_DUE] = max(s[STREAM_DUE], now)
    return int(s[STREAM_DUE])


@kernel(f"int64({INTS}, {STREAMS}, int64, int64)")
def emit(s: Ints, r: Bits, kind: int, channel: int) -> int:
    """Queue a report about now; where it is, with everything else still 0."""
    cause = s[CAUSE]
    due = _due(s, r, channel, cause)
    if s[REPORT_COUNT] == REPORT_CAPACITY:
        s[OVERFLOWED] = 1
        s[REPORT_COUNT] -= 1
    k = s[REPORT_COUNT]
    s[REPORT_COUNT] += 1
    at: int = REPORTS + ((s[REPORT_HEAD] + k) % REPORT_CAPACITY) * REPORT_WIDTH
    while k > 0:
        before = REPORTS + ((s[REPORT_HEAD] + k - 1) % REPORT_CAPACITY) * REPORT_WIDTH
        if s[before + DUE] <= due:
            break
        for field in range(REPORT_WIDTH):
            s[at + field] = s[before + field]
        at = before
        k -= 1
    for field in range(REPORT_WIDTH):
        s[at + field] = 0
    s[at + DUE] = due
    s[at + KIND] = kind
    s[at + CHANNEL] = channel
    s[at + AT] = s[NOW]
    s[at + ROW_INDEX] = s[ROW] if cause < 0 else -1
    s[at + VENUE] = s[NOW] - s[SKEW]
    if cause >= 0:
        s[at + REQUEST] = s[cause + Q_REQUEST]
        s[at + REQUEST_KIND] = s[CAUSE_KIND]
    elif s[ROW_VENUE] > 0:
        s[at + VENUE] = s[ROW_VENUE]
    s[at + POSITION_AFTER] = s[POSITION]
    s[NEXT_NS] = min(s[NEXT_NS], due)
    return at


@kernel(f"int64({INTS}, int64, {INTS})")
def pop_report(s: Ints, now_ns: int, out: Ints) -> int:
    """Take the earliest report due by `now_ns`; 0 if there is none."""
    if s[REPORT_COUNT] == 0 or next_report_ns(s) > now_ns:
        return 0
    at = REPORTS + s[REPORT_HEAD] * REPORT_WIDTH
    for field in range(REPORT_WIDTH):
        out[field] = s[at + field]
    s[REPORT_HEAD] = (s[REPORT_HEAD] + 1) % REPORT_CAPACITY
    s[REPORT_COUNT] -= 1
    reckon(s)
    return 1
