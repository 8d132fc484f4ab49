"""What the market is doing, as frozen readings over compiled state."""
