"""The control API under ``/sim/v1``: time, accounts, faults, and what is really there."""
