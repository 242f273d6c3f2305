"""Errors that speak to the user."""


class UserError(Exception):
    """One clear line about wrong input; the command line prints it and exits with status 2."""
