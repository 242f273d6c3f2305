"""Errors that speak to the user."""


class UserError(Exception):
    """One clear line about wrong input; the command line prints it and exits with status 2."""


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line; its kind where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
