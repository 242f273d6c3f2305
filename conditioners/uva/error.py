"""What goes wrong with UVA's files and settings."""

from motions.errors import UserError


class UVAError(UserError):
    """A UVA checkpoint, data set or configuration cannot be used."""
