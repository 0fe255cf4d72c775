"""Riposte: an autonomous trader for crypto perpetual futures."""

__version__ = "0.1.0"
