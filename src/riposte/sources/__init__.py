"""Where market data comes from: recorded files, the exchange, the synthetic market. I/O."""
