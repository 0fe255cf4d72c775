"""The vocabulary of the market: instruments, intervals, the market frame, and its checks. Pure."""
