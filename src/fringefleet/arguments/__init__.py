"""Arguments given by users: their types, paths, and dependencies between them."""
