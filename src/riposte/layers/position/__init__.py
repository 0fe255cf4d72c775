"""Layer 4, position: what the engine is handed. The rules themselves live in ``engine.position``."""
