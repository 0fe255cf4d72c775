"""Several studies side by side: cut to what they share, judged together, and shown.

Reads what :mod:`riposte.proof.report` wrote; nothing is run again.
"""
