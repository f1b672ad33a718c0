"""Which of x0, eps, score, v, flow, edm and energy a network should put out on a schedule, and which it cannot."""

import warnings

from scorefield import _core
from scorefield._arrays import choice
from scorefield.errors import ScheduleWarning
from scorefield.schedules import EDM, RectifiedFlow, Schedule, Single
from scorefield.schedules.diagnosis import HIGH_GAIN

PREDICTIONS = ("x0", "eps", "score", "v", "flow", "edm", "energy")


def check_prediction(prediction: str | None, schedule: Schedule) -> str:
    """Return the prediction kind, by default what suits the schedule; warns of gains and refuses what cannot exist."""
    alpha = float(schedule.alpha(schedule.t_max))
    if prediction is None:
        prediction = _usual(schedule, alpha)
    kind = choice(prediction, "prediction", PREDICTIONS)
    _core.require_serves(kind, schedule._core)
    if kind in ("eps", "score", "energy") and alpha * HIGH_GAIN < 1:
        warnings.warn(
            f"{schedule} ends at alpha = {alpha:.3g}: sampling enlarges an error of {kind} there {1 / alpha:.0f} times "
            "in x0_hat; use prediction='v' or 'x0', or clip while sampling",
            ScheduleWarning,
            stacklevel=3,  # check_prediction, __init__, the line that made the model
        )
    return kind


def _usual(schedule: Schedule, alpha: float) -> str:
    for kind, name in ((EDM, "edm"), (RectifiedFlow, "flow"), (Single, "score")):
        if isinstance(schedule, kind):
            return name
    return "v" if alpha * HIGH_GAIN < 1 else "eps"
