"""The library's own laws, for what you write yourself: a check raises an AssertionError that names the broken law."""

from scorefield._check_loss import check_loss
from scorefield._check_sampler import check_sampler
from scorefield._check_schedule import check_schedule

__all__ = ["check_loss", "check_sampler", "check_schedule"]
