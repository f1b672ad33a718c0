"""The version, read by CMake and by the build back end as well: the one place to change it."""

__version__ = "0.1.0"
