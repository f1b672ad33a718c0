"""scorefield: diffusion models on the CPU, as equations that run.

>>> import scorefield as sf
>>> x, labels = sf.datasets.digits("train")
>>> net = sf.UNet((8, 8, 1), widths=(32, 64), classes=10)
>>> model = sf.Diffusion(net, sf.schedules.Cosine(1000), prediction="v")

Modules: schedules, grids, samplers, guidance, losses, optim, metrics, datasets, plot, testing. What stands behind a
name is imported when it is first used, so that `import scorefield` is quick and needs NumPy alone.
"""

import importlib
import logging
from typing import Any

from scorefield._version import __version__
from scorefield.errors import DataWarning, FormatError, NonFiniteError, ScheduleWarning, ScorefieldWarning
from scorefield.machine import build_info, get_num_threads, set_num_threads

_MODULES = (
    *("schedules", "grids", "samplers", "guidance", "losses", "optim", "metrics", "datasets", "plot", "testing"),
    "diffusers",
)
_HOMES = {  # module -> the names that `sf` offers from it
    "checkpoint": ("load",),
    "classifier": ("Classifier",),
    "conversion": ("convert",),
    "denoiser": ("Denoiser",),
    "derivatives": ("gradcheck",),
    "diffusion": ("Diffusion",),
    "interpolate": ("slerp",),
    "losses": ("Loss",),
    "mixture": ("GaussianMixture",),
    "networks": ("MLP", "Encoder", "UNet"),
    "noise": ("normal",),
    "pixels": ("from_uint8", "to_uint8"),
    "run": ("Run",),
    "samplers": ("Sampler",),
    "schedules": ("Schedule",),
    "thresholding": ("DynamicThreshold",),
    "trajectory": ("Trajectory",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DataWarning",
    "FormatError",
    "NonFiniteError",
    "ScheduleWarning",
    "ScorefieldWarning",
    "__version__",
    "build_info",
    "get_num_threads",
    "set_num_threads",
    *_HOME,
    *_MODULES,
]

logging.getLogger("scorefield").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import what stands behind a public name when it is first asked for (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"scorefield.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"scorefield.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'scorefield' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
