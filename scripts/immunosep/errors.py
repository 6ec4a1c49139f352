"""The one exception that stands for a user's mistake."""


class InputError(Exception):
    """Input, configuration or request that the user can mend.

    The message is written for the user: what is wrong, where, and how to mend it. Entry points print it without a
    traceback and end with exit code 2 (the command) or 1 (a rule).
    """
