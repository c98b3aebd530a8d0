"""One module a subcommand of `alphago`; each has a Typer `app` and imports what is heavy when it runs."""
