"""Touch, edge and comparison of books against their plain twins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from market_maker.kernels.book import differing, levels, new_book, set_level, touch, worst

LEVELS = st.lists(
    st.tuples(st.sampled_from((1, -1)), st.integers(1, 30), st.integers(0, 3)), max_size=40
)


@given(LEVELS, LEVELS, st.sampled_from((1, -1)), st.integers(1, 30))
def test_books_are_read_and_compared_as_plain_tables_are(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], sign: int, edge: int
) -> None:
    books, tables = [], []
    for changes in (first, second):
        book, table = new_book(64), {}
        for side, price, qty in changes:
            set_level(book, side, price, qty)
            table[side, price] = qty
        books.append(book)
        tables.append({key: qty for key, qty in table.items() if qty})
    bids = [price for side, price in tables[0] if side > 0]
    asks = [price for side, price in tables[0] if side < 0]
    assert touch(books[0]) == (max(bids, default=0), min(asks, default=0))
    assert (worst(books[0], 1), worst(books[0], -1)) == (min(bids, default=0), max(asks, default=0))
    assert dict(levels(books[0], sign)) == {p: q for (s, p), q in tables[0].items() if s == sign}
    inside = {
        price
        for table in tables
        for side, price in table
        if side == sign and sign * price >= sign * edge
    }
    expected = sum(tables[0].get((sign, p), 0) != tables[1].get((sign, p), 0) for p in inside)
    assert differing(books[0], books[1], sign, edge) == expected
