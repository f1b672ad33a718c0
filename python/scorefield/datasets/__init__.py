"""Data to try things on: real digits, tables, pictures, and sets made from counters. Each function gives (x, labels or captions)."""

from scorefield.datasets.real import breast_cancer, digits, mnist, wine

__all__ = ["breast_cancer", "digits", "mnist", "wine"]
