"""The price target: what the price is expected to do over the next hours, and how far that is known."""
