"""Slow, obvious second implementations, written from docs/features.md and the rules alone.

Nothing here imports the compiled core (`compare` and `tables`, which hold the two side by side, excepted). Points are
actions: row * size + column; colours are 0 empty, 1 black, 2 white; grids are tuples of colours, row-major.
"""
