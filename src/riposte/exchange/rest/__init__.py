"""The REST endpoints: a table of what can be asked, and one plain function for each.

A handler takes the simulator, the caller and the parameters and returns what is to be sent as JSON,
or raises a refusal. It knows nothing of HTTP, so the WebSocket API answers with the same functions.
"""
