"""The catalogue of features: what is known, from the past only. Pure."""
