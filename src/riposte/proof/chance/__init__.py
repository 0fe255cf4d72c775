"""Could this be chance? Resampled trades, resampled markets, and the pipeline where nothing can be learned."""
