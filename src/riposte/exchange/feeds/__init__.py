"""Markets to trade on: recorded candles, order books and trades, and the synthetic market.

Each builds a :class:`~riposte.exchange.feed.Feed` from :class:`~riposte.market.series.Series` that
are handed in; where they come from is the caller's business. The same arguments give the same
events, every time.
"""
