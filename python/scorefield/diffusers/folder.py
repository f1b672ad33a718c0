"""Where the parts of a pipeline lie in a folder: in sub-folders, or all in the root as in older ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scorefield.checkpoint import shorten
from scorefield.diffusers.settings import Settings, read_json
from scorefield.diffusers.tensors import Entry, read_safetensors
from scorefield.diffusers.torch_file import read_torch_file
from scorefield.errors import FormatError

WEIGHTS = "diffusion_pytorch_model.safetensors"
PICKLED = "diffusion_pytorch_model.bin"
SHARDS = ".index.json"  #: after the name of weights that lie in several files
MOST_SHARDS = 1_000
INDEX, CONFIG, SCHEDULER = "model_index.json", "config.json", "scheduler_config.json"
UNETS = ("UNet2DModel", "UNetUnconditionalModel", "UNetModel")  #: today's name and two from before version 0.3
BEFORE_0_1 = ("ch", "ch_mult", "num_res_blocks", "resnet_eps", "num_head_channels", "downscale_freq_shift")


@dataclass(frozen=True)
class Folder:
    """The files of a pipeline.   config, weights : of the network.   scheduler : None for a network on its own."""

    config: Path
    weights: Path
    scheduler: Path | None


def find(folder: str | os.PathLike[str]) -> Folder:
    """Return where the network's and the scheduler's files are; OSError or FormatError for other folders."""
    root = root_of(folder)
    _check_index(root / INDEX)
    unet = root / "unet" if (root / "unet").is_dir() else root
    if not (unet / CONFIG).is_file():
        raise FormatError(f"{unet}: no {CONFIG}, so this is no folder of a UNet2DModel or of its pipeline")
    scheduler = scheduler_file(root)
    return Folder(unet / CONFIG, _weights(unet), scheduler if scheduler.is_file() else None)


def root_of(folder: str | os.PathLike[str]) -> Path:
    """Return the folder as a path; TypeError or OSError if it is none."""
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be the name of a folder, got {folder!r}")
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder; nothing is downloaded, so give a folder on this machine")
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is a file; give the folder that holds {CONFIG} or {INDEX}")
    return root


def scheduler_file(root: Path) -> Path:
    """Return where the scheduler's settings are, or would be."""
    return (root / "scheduler" if (root / "scheduler").is_dir() else root) / SCHEDULER


def network_settings(path: Path, defaults: dict[str, object]) -> Settings:
    """Read a network's config.json; FormatError, with the name, for another class than UNet2DModel."""
    values = read_json(path)
    name = values.get("_class_name", UNETS[0])
    if name not in UNETS:
        raise FormatError(f"{path}: _class_name: {shorten(name)} is not supported; supported: {UNETS[0]}")
    old = [key for key in BEFORE_0_1 if key in values]
    if old:
        raise FormatError(f"{path}: {old[0]}: a key of diffusers before 0.1; save the folder anew with a later one")
    return Settings(path, values, defaults)


def read_weights(path: Path) -> dict[str, Entry]:
    """Return the tensors of a weight file, or of the files that an index names, by their names."""
    if path.name.endswith(SHARDS):
        return _read_shards(path)
    return read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)


def _read_shards(index: Path) -> dict[str, Entry]:
    """An index is {"weight_map": {tensor: file}}; files lie beside it and are of its kind."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise FormatError(f"{index}: weight_map: expected the file of each tensor, got {shorten(places)}")
    kind = Path(index.name.removesuffix(SHARDS)).suffix
    shards: dict[str, dict[str, Entry]] = {}
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file or "\\" in file or Path(file).suffix != kind:
            raise FormatError(f"{index}: weight_map: {shorten(file)} is no {kind} file of this folder")
        if file not in shards:
            if len(shards) == MOST_SHARDS or not (index.parent / file).is_file():
                raise FormatError(f"{index}: weight_map: {shorten(file)} is missing, or one of too many files")
            shards[file] = read_weights(index.parent / file)
        if name not in shards[file]:
            raise FormatError(f"{index}: weight_map: {shorten(file)} has no tensor {shorten(name)}")
    return {name: shards[file][name] for name, file in places.items()}


def _check_index(path: Path) -> None:
    """A pipeline of a network and a scheduler alone: with an autoencoder samples would be codes, not images."""
    if not path.is_file():
        return
    parts = {key for key, value in read_json(path).items() if isinstance(value, list) and value != [None, None]}
    more = sorted(parts - {"unet", "scheduler"})
    if more:
        raise FormatError(
            f"{path}: {shorten(more[0])}: pipelines of other parts than unet and scheduler are not supported"
        )


def _weights(unet: Path) -> Path:
    for name in (WEIGHTS + SHARDS, WEIGHTS, PICKLED + SHARDS, PICKLED):
        if (unet / name).is_file():
            return unet / name
    others = sorted(p.name for p in unet.iterdir() if p.suffix in (".safetensors", ".bin"))
    found = f"; found {', '.join(others)}, rename one of them" if others else ""
    raise FormatError(f"{unet}: neither {WEIGHTS} nor {PICKLED}{found}")
