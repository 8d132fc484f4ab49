"""The paper venue: own orders against public data, recorded or live, on the fill engine."""
