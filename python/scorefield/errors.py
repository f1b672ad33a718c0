"""Exceptions and warnings that the library raises besides ValueError and TypeError."""


class FormatError(ValueError):
    """A file is not what its name promises: truncated, forged, of another version, or holding another model."""


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or an answer is NaN or infinite; the message names the step and what was done about it."""


class ScorefieldWarning(UserWarning):
    """Base of the library's warnings."""


class DataWarning(ScorefieldWarning):
    """The data will probably not train as they are, for instance because their columns have very different scales."""


class ScheduleWarning(ScorefieldWarning):
    """A schedule, or a prediction kind on it, will probably not give what is wanted; the message says why."""
