"""PyTorch's .bin files made by hand, instruction by instruction, so that tests need no PyTorch."""

import struct
import zipfile

ORDERED = b"ccollections\nOrderedDict\n)R"
END = b"."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value):
    return b"J" + struct.pack("<i", value)


def row(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def storage(key, size, kind="FloatStorage"):
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + integer(size) + b"tQ"


def tensor(key, size, shape, strides, offset=0, kind="FloatStorage"):
    arguments = storage(key, size, kind) + integer(offset) + row(shape) + row(strides) + b"\x89" + ORDERED
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def program(tensors):
    """The pickle of an OrderedDict of tensors, given as {name: instructions}."""
    items = b"".join(text(name) + made for name, made in tensors.items())
    return b"\x80\x02" + ORDERED + b"(" + items + b"u" + END


def write(path, pickled, members, folder="archive", compression=zipfile.ZIP_STORED):
    """The archive: data.pkl and data/<key> for each of `members`, {key: bytes}."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled)
        for key, data in members.items():
            archive.writestr(f"{folder}/data/{key}", data)
    return path


def write_state(path, state):
    """A file of these float32 arrays."""
    made, members = {}, {}
    for i, (name, array) in enumerate(state.items()):
        strides = [stride // array.itemsize for stride in array.strides]
        made[name] = tensor(str(i), array.size, array.shape, strides)
        members[str(i)] = array.astype("<f4").tobytes()
    return write(path, program(made), members)
