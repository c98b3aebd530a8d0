"""A Go engine after AlphaGo, AlphaGo Zero and AlphaZero. Importing this package alone loads nothing heavy.

`alphago.go` holds boards, rules and coordinates, `alphago.nets` learned weights, `alphago.configs` the named configurations.
"""

__version__: str


def __getattr__(name: str) -> str:
    """The version comes from the installed package's metadata, read when first asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib.metadata

    try:
        return importlib.metadata.version("alphago")
    except importlib.metadata.PackageNotFoundError:
        return "0+not-installed"
