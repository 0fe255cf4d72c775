"""Which features a fold's models are given, decided on that fold's training rows and on nothing else."""

from __future__ import annotations

from riposte.proof.selection.choose import METHODS, Selection, SelectionConfig, choose, narrowed

__all__ = ["METHODS", "Selection", "SelectionConfig", "choose", "narrowed"]
