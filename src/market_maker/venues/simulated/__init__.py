"""The embedded exchange: matching, margin, market agents, and the oracle of every test."""
