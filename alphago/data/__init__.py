"""Games as data: one Parquet schema for self-play, matches and imported records. docs/data.md is the tour.

Needs pyarrow, which takes a moment to import; whoever only plays does not import this package.
"""

from alphago.data.games import (
    CHOOSERS,
    ENDINGS,
    HUMAN,
    POLICY,
    RANDOM,
    SCHEMA,
    SEARCH,
    GameDataError,
    GameRow,
    replay,
    row_from_pool,
    validate,
)
from alphago.data.sgf import to_sgf
from alphago.data.store import read_games, read_shard, read_table, write_shard

__all__ = [
    "CHOOSERS",
    "ENDINGS",
    "HUMAN",
    "POLICY",
    "RANDOM",
    "SCHEMA",
    "SEARCH",
    "GameDataError",
    "GameRow",
    "read_games",
    "read_shard",
    "read_table",
    "replay",
    "row_from_pool",
    "to_sgf",
    "validate",
    "write_shard",
]
