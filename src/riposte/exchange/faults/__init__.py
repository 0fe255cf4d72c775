"""Faults: what goes wrong on the exchange, when, and with which request or message.

A *rule* says which requests or stream messages it is for and what happens to them; an *act* is
something that the exchange does at a time. Both come from a script (TOML), from the control API
(JSON, the same words), or ready-made from the catalogue.
"""
