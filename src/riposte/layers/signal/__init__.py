"""Layer 3, the core: LONG, SHORT or NEUTRAL, with calibrated probabilities."""
