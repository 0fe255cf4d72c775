"""What goes out over WebSocket: market and user streams, and who listens to them."""
