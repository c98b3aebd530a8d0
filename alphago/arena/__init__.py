"""Matches that cannot be fooled: engines of any kind, paired openings, a referee of our own, honest statistics."""
