"""What the command line tells a user who can mend it."""


class UserError(Exception):
    """Shown as one line, without a traceback; the command exits with status 2."""
