"""The compiled core. Private: its functions take checked arrays only, and answer with untyped values."""

from typing import Any

def __getattr__(name: str) -> Any: ...
