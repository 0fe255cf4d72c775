"""The simulated exchange: Binance USD-M's protocol on loopback, with a matching engine behind it.

``core`` is a single-writer state machine: commands and feed events go in with the exchange's time,
events come out, and every input and output is chained into a journal. It uses integers only (ticks,
steps and 1e-8 USDT), so its sums are exact; it reads no clock, no network and no random numbers.
Around it stand thin edges: REST, streams, the WebSocket API, feeds, faults and a control API.

It knows nothing of the trader and shares no accounting with ``riposte.engine``: it is the judge.
Times are milliseconds since 1970 UTC, as in the protocol.
"""
