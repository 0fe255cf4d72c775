"""Where market data is kept: the Parquet lake. I/O behind one protocol."""
