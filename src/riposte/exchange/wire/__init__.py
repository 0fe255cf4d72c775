"""How the exchange writes things: records and events as the protocol's JSON objects, and only here.

Numbers that the exchange sends as texts are texts; key sets are those of recorded answers.
"""
