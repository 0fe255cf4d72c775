"""The configuration: one typed tree, read once at the edge, handed inwards as plain records."""
