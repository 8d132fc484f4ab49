from pydantic import BaseModel
from market_maker.quoting.engine import EngineQuote, QuoteState


class JoinTheTouch:
    name = "join-the-touch"

    class Config(BaseModel):
        skew_bps: float = 2.0

    def __init__(self, config):
        self.skew_bps = config.skew_bps

    def quote(self, state: QuoteState) -> EngineQuote:
        half = state.fair * state.competition_bps / 1e4
        shift = -state.inventory_ratio * state.fair * self.skew_bps / 1e4
        levels = range(state.levels)
        model = tuple(half + i * state.tick for i in levels)
        size = (1.0,) * state.levels
        return EngineQuote(
            tuple(m - shift for m in model), tuple(m + shift for m in model), size, size,
            {"model": model, "inventory": (-shift,) * state.levels},
            {"model": model, "inventory": (shift,) * state.levels},
        )
