"""The exchange over REST, through ccxt: the newest stretch of history, and the present. Reads only."""
