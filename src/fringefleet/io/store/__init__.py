"""The result on disk: written by many at once, resumable, one writer at a time."""
