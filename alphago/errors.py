"""The root of every error that a user can cause. Each layer names its own kinds below it."""


class AlphaGoError(ValueError):
    """Something that the caller or the user got wrong; the message is one line that says what, where and what would be right."""
