"""scorefield: diffusion models on the CPU, as equations that run."""

from scorefield._version import __version__
from scorefield.errors import DataWarning, FormatError, NonFiniteError, ScheduleWarning, ScorefieldWarning

__all__ = ["DataWarning", "FormatError", "NonFiniteError", "ScheduleWarning", "ScorefieldWarning", "__version__"]
