"""Models as files: one ``.safetensors`` file each, written so that a crash leaves the old file or the new one.

A file holds named arrays and one metadata entry, ``scorefield``, with canonical JSON (sorted keys, no spaces), so
that the same model gives the same bytes. Reading trusts nothing: the header is bounded, every field is checked
against what the model class expects, and no array is allocated before its name, shape and type are the expected ones.
Nothing in a file is executed.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load as from_library
from safetensors.numpy import save as to_bytes

from scorefield._version import __version__
from scorefield.errors import FormatError
from scorefield.run import model_file

FORMAT = 1  #: readers accept all older formats of the same library major version
KEY = "scorefield"  #: the metadata entry
MAX_HEADER = 16 * 2**20
MAX_BYTES = 4 * 2**30
DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U64": np.uint64}

MODELS = {"Diffusion": "scorefield.diffusion", "Classifier": "scorefield.classifier"}  #: class -> where it lives

Array = NDArray[Any]


def load(path: str | os.PathLike[str]) -> Any:
    """Give back the model that `save` wrote, of whichever class, ready to sample and to be trained further.

    path : a .safetensors file, or the folder of a `Run` (its last checkpoint).
    Raises FormatError, a ValueError that names the file and the field, for anything that is not a sound model file of
    this library; OSError if the system cannot read it. Nothing in a file is executed.

    >>> import tempfile, scorefield as sf
    >>> file = tempfile.mkdtemp() + "/model.safetensors"
    >>> sf.Diffusion(sf.MLP(2), "vp").save(file)
    >>> sf.load(file).shape
    (2,)
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the name of a file or of a folder, got {path!r}")
    with open_file(model_file(path)) as reader:
        return _model(reader)


def _model(reader: Reader) -> Any:
    kind = reader.field("class", str)
    if kind not in MODELS:
        reader.fail("class", f"unknown model {shorten(kind)}; known: {', '.join(MODELS)}")
    return getattr(importlib.import_module(MODELS[kind]), kind)._read(reader)


@dataclass(frozen=True)
class Expected:
    """What a tensor of a file must be: its shape and type, and whether all of its numbers must be finite."""

    shape: tuple[int, ...]
    dtype: str = "F32"
    finite: bool = True

    @classmethod
    def like(cls, array: Array) -> Expected:
        """Return the expectation that `array` itself meets."""
        names = {np.dtype(kind): name for name, kind in DTYPES.items()}
        return cls(array.shape, names[array.dtype])


def save(path: str | os.PathLike[str], config: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Write `config` (JSON values) and `tensors` (float32, float64, int64 or uint64 arrays) to `path`, all or nothing.

    An existing file is replaced in one step after the new one is on the disk; whatever fails before that leaves it as
    it was. OSError of the system is passed on, with nothing left behind.
    """
    write_atomically(Path(path), pack(config, tensors))


def pack(config: Mapping[str, Any], tensors: Mapping[str, Array]) -> bytes:
    """Return the bytes of the file that `save` writes; the same arguments give the same bytes."""
    whole = {"format": FORMAT, "version": __version__, **config}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return to_bytes({name: _plain(name, array) for name, array in tensors.items()}, metadata={KEY: text})


def _plain(name: str, array: Array) -> Array:
    """Return `array` in the one layout that the library writes as it is: C order, little-endian, aligned."""
    if array.dtype.newbyteorder("=") not in [np.dtype(kind) for kind in DTYPES.values()]:
        raise TypeError(f"tensor {name!r} of type {array.dtype} cannot be written")
    return np.require(array, array.dtype.newbyteorder("<"), ["C", "A"])


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that at every moment `path` holds its old content or all of the new, even if the power fails.

    Temporary file in the same folder, flush to the disk, rename over the old file, flush the folder. The temporary
    file has one fixed name per target and is locked by its writer, so that what a killed process left behind is used
    again by the next save.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file, for instance {path}/model.safetensors")
    temporary = target.with_name(f".{target.name}.tmp")
    with _locked(temporary) as file:
        try:
            _write_all(file, data)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(target.parent)


@contextlib.contextmanager
def _locked(temporary: Path) -> Iterator[int]:
    """Open `temporary` for this writer alone. Who waited for another one looks again: the name is gone by then."""
    while True:
        file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # the system takes off the umask
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if temporary.exists() and os.path.samestat(os.fstat(file), temporary.stat()):
                yield file
                return
        finally:
            os.close(file)


def _write_all(file: int, data: bytes) -> None:
    os.ftruncate(file, 0)
    view = memoryview(data)
    while view:
        view = view[os.write(file, view[: 2**26]) :]
    os.fsync(file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Reader:
    """An open model file: its configuration, and its tensors once the caller has said what they must be.

    Every complaint is a FormatError that names the file and the field. Use `open_file`.
    """

    def __init__(self, path: Path, config: dict[str, Any], file: Any):
        self.path, self.config, self._file = path, config, file

    def fail(self, field: str, problem: str) -> NoReturn:
        """Raise FormatError about `field`."""
        raise FormatError(f"{self.path}: {field}: {problem}")

    def field(self, name: str, kind: type | tuple[type, ...], *, within: Mapping[str, Any] | None = None) -> Any:
        """Return the value of field `name`, which must have type `kind`; bool is no int."""
        fields = self.config if within is None else within
        if name not in fields:
            self.fail(name, "is missing")
        value = fields[name]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            self.fail(name, f"expected {expected}, got {shorten(value)}")
        return value

    @property
    def tensor_names(self) -> list[str]:
        """Names of the tensors in the file, sorted."""
        return sorted(self._file.keys())

    def has(self, name: str) -> bool:
        """Tell whether the file holds a tensor of this name."""
        return name in self._file.keys()  # noqa: SIM118 (the library's object is no mapping)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of tensor `name`, without reading it."""
        if not self.has(name):
            self.fail(f"tensor {name}", "is missing")
        return tuple(self._file.get_slice(name).get_shape())

    def tensors(self, expected: Mapping[str, Expected]) -> dict[str, Array]:
        """Read all tensors, which must be exactly the `expected` ones.

        Returns fresh writable arrays. Nothing is read before every name, shape and type has been found right.
        """
        names = set(self.tensor_names)
        if names != set(expected):
            missing, extra = sorted(set(expected) - names), sorted(names - set(expected))
            self.fail("tensors", f"missing {shorten(missing)}, not expected {shorten(extra)}")
        for name, wanted in expected.items():
            part = self._file.get_slice(name)
            shape, dtype = tuple(part.get_shape()), part.get_dtype()
            if (shape, dtype) != (wanted.shape, wanted.dtype):
                problem = f"expected {wanted.dtype} of shape {wanted.shape}, got {dtype} of shape {shape}"
                self.fail(f"tensor {name}", problem)
        return {name: self._read(name, wanted) for name, wanted in expected.items()}

    def _read(self, name: str, wanted: Expected) -> Array:
        array: Array = np.array(self._file.get_tensor(name), dtype=DTYPES[wanted.dtype], order="C", copy=True)
        if wanted.finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            self.fail(f"tensor {name}", f"holds {int((~np.isfinite(array)).sum())} non-finite values")
        return array


@contextlib.contextmanager
def open_file(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Iterator[Reader]:
    """Open a model file for reading: FormatError if it is none, OSError if the system says no.

    max_bytes : files larger than this are refused.
    """
    path = Path(path)
    _check_size(path, max_bytes)
    with _format_errors(path), safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if KEY not in metadata:
            raise FormatError(f"{path}: metadata: no entry {KEY!r}; the file was not written by this library")
        config = _parse(path, metadata[KEY])
        yield Reader(path, config, file)


class _InMemory:
    """The part of the library's open file that `Reader` uses, on bytes."""

    def __init__(self, data: bytes):
        self._tensors = from_library(data)
        self.keys = self._tensors.keys
        self.get_tensor = self._tensors.__getitem__

    def get_slice(self, name: str) -> _Slice:
        return _Slice(self._tensors[name])


class _Slice:
    def __init__(self, array: Array):
        self.get_shape = lambda: list(array.shape)
        self.get_dtype = lambda: Expected.like(array).dtype


def from_bytes(data: bytes) -> Any:
    """Give back the model whose file content `data` is; how models are pickled."""
    path = Path("<pickled model>")
    with _format_errors(path):
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        return _model(Reader(path, _parse(path, metadata[KEY]), _InMemory(data)))


@contextlib.contextmanager
def _format_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        raise FormatError(f"{path}: not a valid safetensors file: {shorten(str(error))}") from None


def _check_size(path: Path, max_bytes: int) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise FormatError(f"{path}: header: the file has {size} bytes and is cut short, or is no safetensors file")
    if length > MAX_HEADER:
        raise FormatError(f"{path}: header: {length} bytes, more than the {MAX_HEADER} that are read")
    if size > max_bytes:
        raise FormatError(f"{path}: {size} bytes, more than the {max_bytes} that are read")


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: metadata: not JSON: {shorten(str(error))}") from None
    if not isinstance(config, dict):
        raise FormatError(f"{path}: metadata: expected an object, got {shorten(config)}")
    version = config.get("format")
    if isinstance(version, bool) or version != FORMAT:
        raise FormatError(f"{path}: format: this library reads format {FORMAT}, the file has {shorten(version)}")
    return config


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def shorten(value: object, limit: int = 80) -> str:
    """Return a printable form of something read from a file: one line, escaped, at most `limit` characters."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # nested without end, or an integer of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def guarded(reader: Reader, field: str, build: Callable[[], Any]) -> Any:
    """Return build(), a constructor fed from the file; what it refuses becomes a FormatError about `field`."""
    try:
        return build()
    except FormatError:
        raise
    except (TypeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        reader.fail(field, shorten(str(error), 300))
