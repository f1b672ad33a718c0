"""Folders of Hugging Face's diffusers, both ways, without PyTorch: UNet2DModel weights and scheduler settings.

>>> import tempfile, scorefield as sf
>>> folder = tempfile.mkdtemp() + "/tiny"
>>> sf.diffusers.save(sf.Diffusion(sf.UNet((8, 8, 1), widths=(8, 16)), "linear"), folder)
>>> sf.diffusers.load(folder).shape
(8, 8, 1)

What maps to what, and what is refused: docs/diffusers.md. Nothing is downloaded, and nothing in a file is executed.
"""

from scorefield.diffusers.keywords import sampling
from scorefield.diffusers.pipeline import load, save

__all__ = ["load", "sampling", "save"]
