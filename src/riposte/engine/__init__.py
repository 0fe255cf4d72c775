"""The one trading engine: compiled pure functions over NumPy records. No clock, no I/O, no chance."""
