"""Proof by simulation: the bot against a faulty venue, judged by the exchange's own books."""
