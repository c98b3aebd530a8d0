"""Self-play at scale: workers, an opponent pool, the replay window and the zero loop, on top of `alphago`."""
