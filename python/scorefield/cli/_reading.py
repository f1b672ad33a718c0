"""What the words of a command mean: data sets, networks, objects, labels. Text is parsed, never executed."""

import inspect
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scorefield import datasets
from scorefield._arrays import Array
from scorefield._names import Call, build, find, parse_call
from scorefield.networks import MLP, Network, UNet
from scorefield.pixels import from_uint8

NETWORKS: dict[str, Callable[..., Network]] = {"MLP": MLP, "UNet": UNet}


@dataclass(frozen=True, eq=False)
class Data:
    """Rows to train on and rows held out.

    x : (n, *shape).   labels : (n,) or None.   held_out : (x, labels), never trained on, or None.
    """

    name: str
    x: Array
    labels: Array | None
    held_out: tuple[Array, Array | None] | None

    @property
    def classes(self) -> int | None:
        """Number of classes, or None."""
        return None if self.labels is None else int(self.labels.max()) + 1


def read_data(text: str) -> Data:
    """Read --data: a name (`digits`), a call (`moons(n=2000)`), or a file .npz (x [, labels]) or .npy; gives Data."""
    if text.endswith((".npz", ".npy")):
        return _from_file(Path(text))
    call = parse_call(text, "data")
    name = find(call.name, "data set", datasets.__all__)
    function = getattr(datasets, name)
    if "split" in inspect.signature(function).parameters and not call.arguments and not call.keywords:
        (x, labels), (test, test_labels) = function("train"), function("test")
        return Data(f"{name}/train", x, _integers(labels), (test, _integers(test_labels)))
    x, labels = build(function, call, "data set")
    return Data(text, x, _integers(labels), _another_draw(function, call))


def _another_draw(function: Callable[..., Any], call: Call) -> tuple[Array, Array | None] | None:
    """Of a made data set: the same law with the next seed."""
    if "seed" not in inspect.signature(function).parameters:
        return None
    again = Call(call.name, call.arguments, {**call.keywords, "seed": int(call.keywords.get("seed") or 0) + 1})
    x, labels = build(function, again, "data set")
    return x, _integers(labels)


def _integers(labels: Any) -> Array | None:
    """Labels as they are; captions are none."""
    return labels if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" else None


def _from_file(path: Path) -> Data:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            arrays = dict(found) if isinstance(found, np.lib.npyio.NpzFile) else {"x": found}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no file of NumPy arrays: {error}") from error
    if "x" not in arrays:
        raise ValueError(f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected x [, labels]")
    x = arrays["x"]
    return Data(path.name, from_uint8(x) if x.dtype == np.uint8 else x, arrays.get("labels"), None)


def read_network(text: str | None, data: Data) -> Network:
    """Read --net for the shape of the data; None: a UNet for pictures and sequences, an MLP for vectors."""
    shape = tuple(data.x.shape[1:])
    if text is None:
        return MLP(shape, classes=data.classes) if len(shape) == 1 else UNet(shape, classes=data.classes)
    call = parse_call(text, "net")
    name = find(call.name, "network", NETWORKS)
    return build(NETWORKS[name], call, "network", shape)


def read_labels(text: str | None) -> list[int | None] | None:
    """Read --labels: `7`, `0:10` (0 to 9), `3,1,none`, or a mixture of these; a list of ints and None."""
    if text is None:
        return None
    labels: list[int | None] = []
    for part in text.split(","):
        word = part.strip().lower()
        try:
            first, colon, end = word.partition(":")
            labels += [None] if word == "none" else range(int(first), int(end)) if colon else [int(first)]
        except ValueError:
            raise ValueError(f"labels must be like 7, 0:10 or 3,1,none; got {text!r}") from None
    if not labels:
        raise ValueError(f"labels must be like 7, 0:10 or 3,1,none; {text!r} names none")
    return labels
