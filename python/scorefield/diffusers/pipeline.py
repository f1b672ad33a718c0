"""A folder as a model, and a model as a folder."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save as to_bytes

from scorefield.checkpoint import shorten, write_atomically
from scorefield.diffusers import configuration, names, scheduler
from scorefield.diffusers.folder import CONFIG, INDEX, SCHEDULER, WEIGHTS, find, network_settings, read_weights
from scorefield.diffusers.settings import to_json
from scorefield.diffusers.tensors import Entry
from scorefield.diffusion import Diffusion
from scorefield.errors import FormatError, ScheduleWarning, ScorefieldWarning
from scorefield.network import Network
from scorefield.networks import UNet

VERSION = "0.42.1"  #: of diffusers, whose files these are


def load(folder: str | os.PathLike[str]) -> Diffusion:
    """Read a folder of a UNet2DModel and its scheduler; returns a `Diffusion`, ready to sample and to be trained.

    folder : as DDPMPipeline's ``save_pretrained`` leaves it (model_index.json, unet/, scheduler/), or with all files in
    its root, or of a network alone (then the noise schedule is DDPM's: `Linear(1000)`, eps; a warning says so).
    Weights are taken from diffusion_pytorch_model.safetensors, or the files that its index.json names, else from the
    .bin file, of which nothing is executed.
    Channels that come in beside those of x are an image condition, twice the channels out a learned variance.

    Their timestep k is our t = k + 1. How their scheduler samples: `sampling`.
    Raises FormatError with file and key for what is damaged or not supported, OSError if the system cannot read it.

    >>> import tempfile, scorefield as sf
    >>> folder = tempfile.mkdtemp()
    >>> sf.diffusers.save(sf.Diffusion(sf.UNet((4, 4, 3), widths=(8,)), sf.schedules.Cosine(), "v"), folder)
    >>> sf.diffusers.load(folder).schedule
    Cosine(T=1000, s=0.008, beta_clip=0.999)
    """
    files = find(folder)
    settings = network_settings(files.config, configuration.DEFAULTS)
    law = scheduler.read(files.scheduler)
    learned = law.learns_variance if files.scheduler else configuration.has_twice_the_channels(settings)
    if learned and law.schedule.T is None:
        law.settings.fail("variance_type", "a learned variance of flow matching is not supported")
    arguments = configuration.unet_arguments(settings, learned_variance=learned)
    entries = _modern(files.weights, read_weights(files.weights))
    total = sum(int(np.prod(entry.shape)) for entry in entries.values())
    count = settings.built("the network", lambda: UNet._count(arguments))
    if total != count:
        _compare(files.weights, entries, UNet(**arguments) if count <= 2 * total else None)
        raise FormatError(f"{files.weights}: {total:,} numbers, but {CONFIG} describes a network of {count:,}")
    net: UNet = settings.built("the network", lambda: UNet(**arguments))
    if files.scheduler is None:
        warnings.warn(
            f"{files.config.parent} has no {SCHEDULER}: taken as trained with {law.schedule}, prediction eps",
            ScorefieldWarning,
            stacklevel=2,
        )
    net.theta = _theta(files.weights, entries, net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScheduleWarning)  # who trained the network has been warned
        return Diffusion(net, law.schedule, law.prediction, learn_variance=learned)


def save(model: Diffusion, folder: str | os.PathLike[str]) -> None:
    """Write a model as a folder of DDPMPipeline: model_index.json, unet/, scheduler/.

    model : a `Diffusion` of a `UNet` on a discrete variance preserving schedule with prediction eps, v or x0, or on
    `RectifiedFlow`, without scale.
    folder : made if it does not exist; files in it are replaced one by one, each in one step.
    The weights are those that sampling uses, the average; ``save(model.raw, folder)`` writes those of the last step.
    Optimiser and history are not part of it: `Diffusion.save` keeps them.

    Returns nothing. ValueError names what diffusers has no word for; OSError of the system is passed on.

    >>> import tempfile, scorefield as sf
    >>> folder = tempfile.mkdtemp()
    >>> sf.diffusers.save(sf.Diffusion(sf.UNet((8, 8, 1), widths=(8, 16)), "linear"), folder)
    >>> sf.diffusers.sampling(folder)["sampler"]
    Ancestral(variance='beta_tilde')
    """
    if not isinstance(model, Diffusion):
        raise TypeError(f"model must be a Diffusion, got {type(model).__name__}")
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be the name of a folder, got {folder!r}")
    if model._scale.word is not None:
        raise ValueError("diffusers' folders hold no scale; train on data in [-1, 1] without scale=, or use model.save")
    config = configuration.unet_config(model.net)
    law = scheduler.config_of(model.schedule, model._prediction, learned_variance=model._learn_variance)
    signature = {"_diffusers_version": VERSION}
    root = Path(folder)
    for part in ("unet", "scheduler"):
        (root / part).mkdir(parents=True, exist_ok=True)
    write_atomically(root / "unet" / WEIGHTS, _packed(model))
    write_atomically(root / "unet" / CONFIG, to_json({**config, **signature, "_class_name": "UNet2DModel"}))
    write_atomically(root / "scheduler" / SCHEDULER, to_json({**law, **signature}))
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", law["_class_name"]]}
    write_atomically(root / INDEX, to_json({**parts, **signature, "_class_name": "DDPMPipeline"}))


def _packed(model: Diffusion) -> bytes:
    weights = model._learner.weights(average=model._average)
    tensors = {
        name: np.ascontiguousarray(weights[begin : begin + size].reshape(names.their_shape(name, shape)), "<f4")
        for name, shape, begin, size in model.net._core.parameters
    }
    return to_bytes(tensors, metadata={"format": "pt"})


def _modern(path: Path, entries: dict[str, Entry]) -> dict[str, Entry]:
    """Return the entries under today's names."""
    found: dict[str, Entry] = {}
    for old, entry in entries.items():
        name = names.modern(old)
        if name in found:
            raise FormatError(f"{path}: tensor {shorten(old)} is there twice, under two names")
        if name is not None:
            found[name] = entry
    return found


def _compare(path: Path, entries: dict[str, Entry], net: Network | None) -> None:
    """Complain about the first tensor that is missing, not expected, or of another shape."""
    if net is None:
        return
    shapes = {name: tuple(shape) for name, shape, _, _ in net._core.parameters}
    missing, extra = sorted(set(shapes) - set(entries)), sorted(set(entries) - set(shapes))
    if missing or extra:
        raise FormatError(f"{path}: tensors: missing {shorten(missing)}, not expected {shorten(extra)}")
    for name, shape in shapes.items():
        if not names.same_shape(entries[name].shape, shape):
            expected = names.their_shape(name, shape)
            raise FormatError(f"{path}: tensor {name}: expected shape {expected}, got {shorten(entries[name].shape)}")


def _theta(path: Path, entries: dict[str, Entry], net: UNet) -> NDArray[Any]:
    """Return the numbers of all tensors in the order of theta."""
    _compare(path, entries, net)
    theta = np.empty(net.num_parameters, np.float32)
    for name, _, begin, size in net._core.parameters:
        values = entries[name].read()
        if not np.isfinite(values).all():
            raise FormatError(f"{path}: tensor {name}: holds {int((~np.isfinite(values)).sum())} non-finite values")
        theta[begin : begin + size] = values.ravel()
    return theta
