"""Layer 1: which of the seven regimes the market is in."""
