"""Labels: what happened next. For learning only; nothing on the decision path imports this room."""
