"""Is it true? Splitters, walk-forward, back-test, metrics, baselines and the report."""
