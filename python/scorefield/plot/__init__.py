"""Pictures of data, samples, schedules, scores and training. matplotlib is imported when a function is called.

Every function takes `ax=None` (an Axes to draw on), passes further keywords to the artist that draws the main thing,
and returns what it drew on; nothing is shown and no global style is touched. In a notebook a Figure shows itself as
the value of a cell. Pictures of several panels (`grid`, `strip`, `compare`, `schedule`) return the Figure, the others
the Axes.
"""

from scorefield.plot.curves import history, schedule
from scorefield.plot.movie import animate
from scorefield.plot.orders import convergence
from scorefield.plot.pictures import compare, grid, strip
from scorefield.plot.plane import density, score_field, trajectory

__all__ = [
    "animate",
    "compare",
    "convergence",
    "density",
    "grid",
    "history",
    "schedule",
    "score_field",
    "strip",
    "trajectory",
]
