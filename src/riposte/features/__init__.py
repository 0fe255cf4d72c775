"""The feature catalogue: what the models see. One pure function per feature, grouped by family."""
