"""The zoo: every planted bug, by name."""

from __future__ import annotations

from bugs_books import BOOK_BUGS
from bugs_orders import ORDER_BUGS
from bugs_sending import SENDING_BUGS
from planting import Bug

ZOO: dict[str, Bug] = {bug.name: bug for bug in (*ORDER_BUGS, *SENDING_BUGS, *BOOK_BUGS)}
