"""Result store on disk: written by many tasks at once, resumable, one run at a time."""
