"""Tensors of a PyTorch file (.bin: a zip archive with a pickle), read without PyTorch and without unpickling.

The pickle is a program for a stack machine. This machine knows constants, dictionaries, lists, tuples, and four names
that a file of tensors needs; it builds inert records, calls nothing, and refuses every other instruction and name.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from scorefield.checkpoint import shorten
from scorefield.diffusers.tensors import Entry, widened
from scorefield.errors import FormatError

LARGEST_PICKLE = 16 * 2**20
MOST_AXES = 8
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
DICTIONARY = ("collections", "OrderedDict")
TENSOR = ("torch._utils", "_rebuild_tensor_v2")
PARAMETER = ("torch._utils", "_rebuild_parameter")
NAMES = {DICTIONARY, TENSOR, PARAMETER, *(("torch", storage) for storage in DTYPES)}


@dataclass(frozen=True)
class Name:
    """A name that the pickle speaks of; nothing is imported."""

    module: str
    name: str


@dataclass(frozen=True)
class Storage:
    """Numbers in a member of the archive.   kind : their type by its torch name.   size : how many."""

    kind: str
    key: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, in numbers from its begin."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class RefusedError(Exception):
    """What was found that is no tensor."""


def read_torch_file(path: Path) -> dict[str, Entry]:
    """Return the tensors of a .bin file by name; their numbers are read when asked for.

    FormatError for anything that is not a zip archive of tensors alone, OSError if the system cannot read it.
    """
    archive = _Archive(path)
    try:
        found = _Machine(archive.pickle()).run()
    except RefusedError as error:
        archive.fail(f"{error}; only tensors are read from .bin files")
    if not isinstance(found, dict):
        archive.fail(f"expected a dictionary of tensors, got {type(found).__name__}")
    entries = {}
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            archive.fail(f"expected tensors by name, got {shorten(name)}: {type(tensor).__name__}")
        entries[name] = archive.entry(name, tensor)
    return entries


class _Archive:
    """The zip archive, each member of which is read whole and checked to be as long as it says."""

    def __init__(self, path: Path):
        self._path = path
        with path.open("rb") as file:
            start = file.read(4)
            self._bytes = file.seek(0, 2)
        if start != b"PK\x03\x04":
            self.fail("not a zip archive; files of PyTorch before 1.6 must be saved anew, best as .safetensors")
        self._members = self._guarded(self._list)

    def fail(self, problem: str) -> NoReturn:
        raise FormatError(f"{self._path}: {problem}")

    def pickle(self) -> bytes:
        """Return the bytes of the one data.pkl, and find the folder that holds it."""
        found = [name for name in self._members if name.rpartition("/")[2] == "data.pkl"]
        if len(found) != 1:
            self.fail(f"expected one data.pkl in the archive, got {len(found)}")
        self._folder = found[0][: -len("data.pkl")]
        if self._members[found[0]].file_size > LARGEST_PICKLE:
            self.fail(f"data.pkl of more than the {LARGEST_PICKLE} bytes that are read")
        order = self._folder + "byteorder"
        if order in self._members and self._read(order) != b"little":
            self.fail("numbers are not little-endian")
        return self._read(found[0])

    def entry(self, name: str, tensor: Tensor) -> Entry:
        """Return the tensor for later reading, once it is known to lie within its storage."""
        storage, dtype = tensor.storage, DTYPES[tensor.storage.kind]
        size = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        member = f"{self._folder}data/{storage.key}"
        if member not in self._members or self._members[member].file_size != storage.size * size:
            self.fail(f"tensor {shorten(name)}: the archive holds no {member!r:.80} of {storage.size} numbers")
        count = int(np.prod([float(n) for n in tensor.shape]))
        last = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
        if count < 1 or count > storage.size or tensor.offset + last >= storage.size:
            self.fail(f"tensor {shorten(name)} of shape {shorten(tensor.shape)} does not lie within its storage")
        return Entry(tensor.shape, lambda: self._tensor(member, dtype, size, tensor))

    def _tensor(self, member: str, dtype: str, size: int, tensor: Tensor) -> NDArray[np.float32]:
        flat = widened(self._read(member), dtype)[tensor.offset :]
        strides = [flat.itemsize * stride for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False).copy()

    def _list(self) -> dict[str, zipfile.ZipInfo]:
        with zipfile.ZipFile(self._path) as archive:
            members = {info.filename: info for info in archive.infolist()}
        for name, info in members.items():
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size > self._bytes:
                self.fail(f"member {name!r:.80} is packed or encrypted; torch stores its files as they are")
        return members

    def _read(self, member: str) -> bytes:
        def read() -> bytes:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(self._members[member])

        data: bytes = self._guarded(read)
        return data

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (FormatError, OSError):
            raise
        except Exception as error:  # zipfile raises many kinds for damaged archives
            self.fail(f"not a sound zip archive: {shorten(str(error))}")


class _Machine:
    """The stack machine: pickletools takes the instructions apart, `_do` says what each one leaves on the stack."""

    def __init__(self, program: bytes):
        self._program = program
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        try:
            for instruction, argument, _ in pickletools.genops(self._program):
                if instruction.name == "STOP":
                    return self._stack.pop()
                self._do(instruction.name, argument)
        except (ValueError, IndexError, KeyError, TypeError) as error:
            raise RefusedError(f"data.pkl is damaged: {shorten(str(error))}") from None
        raise RefusedError("data.pkl has no end")

    def _do(self, name: str, argument: Any) -> None:
        if name in CONSTANTS:
            self._stack.append(CONSTANTS[name]())
        elif name in LITERALS:
            self._stack.append(argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        elif name not in {"PROTO", "FRAME"}:
            raise RefusedError(f"data.pkl holds the pickle instruction {name}")

    def _above_mark(self) -> list[Any]:
        mark = self._marks.pop()
        above = self._stack[mark:]
        del self._stack[mark:]
        return above

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("an empty stack")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._above_mark()))

    def _set_items(self, _: Any) -> None:
        items = self._above_mark()
        self._set(items)

    def _set_item(self, _: Any) -> None:
        self._set(self._take(2))

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise RefusedError("data.pkl sets entries of something that is no dictionary")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _append(self, _: Any) -> None:
        self._extend(self._take(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._above_mark())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise RefusedError("data.pkl appends to something that is no list")
        self._stack[-1].extend(items)

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        self._name(*self._take(2))

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in NAMES:
            raise RefusedError(f"data.pkl asks for {shorten(f'{module}.{name}')}")
        self._stack.append(Name(module, name))

    def _storage(self, _: Any) -> None:
        ((word, kind, key, _place, size),) = self._take(1)
        storage = isinstance(kind, Name) and kind.module == "torch"
        if word != "storage" or not storage or not isinstance(key, str) or not _natural(size):
            raise RefusedError(f"data.pkl refers to {shorten((word, kind))}")
        self._stack.append(Storage(kind.name, key, size))

    def _reduce(self, _: Any) -> None:
        made, arguments = self._take(2)
        if made == Name(*DICTIONARY) and arguments == ():
            self._stack.append({})
        elif made == Name(*TENSOR) and isinstance(arguments, tuple) and len(arguments) in (6, 7):
            self._stack.append(_tensor(*arguments[:4]))
        elif made == Name(*PARAMETER) and arguments and isinstance(arguments[0], Tensor):
            self._stack.append(arguments[0])
        else:
            raise RefusedError(f"data.pkl calls {shorten(made)}")

    def _build(self, _: Any) -> None:
        """A state dictionary carries a note on its versions (`_metadata`), which says nothing about the numbers."""
        target, _state = self._take(2)
        if not isinstance(target, dict):
            raise RefusedError("data.pkl sets the state of something that is no dictionary")
        self._stack.append(target)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    sizes = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= MOST_AXES
    if not isinstance(storage, Storage) or not sizes or not all(map(_natural, (offset, *shape, *strides))):
        raise RefusedError(f"data.pkl holds a tensor of {shorten((storage, offset, shape, strides))}")
    return Tensor(storage, offset, shape, strides)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
LITERALS = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda m, _: m._stack.append(tuple(m._take(1))),
    "TUPLE2": lambda m, _: m._stack.append(tuple(m._take(2))),
    "TUPLE3": lambda m, _: m._stack.append(tuple(m._take(3))),
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "BINPERSID": _Machine._storage,
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}
