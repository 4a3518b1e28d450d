"""What goes wrong in an operation."""


class OperationError(Exception):
    """It cannot be done; the text tells a person why."""
