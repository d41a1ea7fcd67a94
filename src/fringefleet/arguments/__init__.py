"""Arguments of users: their types, paths, and which needs which."""
