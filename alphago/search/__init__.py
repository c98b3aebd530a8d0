"""Search as Python sees it: its parameters, and the loop that joins the C++ pool of searches with the networks.

docs/search.md defines the search itself; `alphago._core.SearchPool` runs it.
"""

from alphago.search.evaluation import drive
from alphago.search.params import BadSearchParams, SearchParams, parse_settings, search_params, table

__all__ = ["BadSearchParams", "SearchParams", "drive", "parse_settings", "search_params", "table"]
