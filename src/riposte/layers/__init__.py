"""The decision layers: regime, signal, position and the open-interest score, with their artefacts."""
