"""When the layers say nothing: a row unlike their training, a side they cannot tell, a model too old."""
