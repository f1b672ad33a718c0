"""Files: what was written comes back, the same model gives the same bytes, anything else is refused by name."""

import json
import os
import stat
import struct

import numpy as np
import pytest
from safetensors.numpy import load as library_load
from safetensors.numpy import save as library_save

from scorefield import FormatError, checkpoint
from scorefield.checkpoint import Expected

CONFIG = {"class": "Test", "nested": {"b": [1, 2.5, None], "a": "ä\u202e<script>"}}
TENSORS = {
    "theta": np.linspace(-1, 1, 6, dtype=np.float32),
    "count": np.array([2**64 - 1, 0], np.uint64),
    "moment": np.arange(6.0).reshape(2, 3),
}
EXPECTED = {name: Expected.like(array) for name, array in TENSORS.items()}


def read(path, expected=EXPECTED, **options):
    with checkpoint.open_file(path, **options) as reader:
        return reader.config, reader.tensors(expected)


def forge(path, header, data=b""):
    """Write a file with this header, a dict or raw bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def with_metadata(path, text):
    path.write_bytes(library_save(TENSORS, metadata={"scorefield": text}))
    return path


def test_what_was_written_comes_back(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, CONFIG, TENSORS)
    config, tensors = read(path)
    assert {key: config[key] for key in CONFIG} == CONFIG
    assert config["format"] == checkpoint.FORMAT
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        assert np.array_equal(tensors[name], array)
        assert tensors[name].flags.writeable


def test_the_same_content_gives_the_same_bytes_in_any_order():
    reordered = dict(reversed(CONFIG.items()))
    assert checkpoint.pack(CONFIG, TENSORS) == checkpoint.pack(reordered, dict(reversed(TENSORS.items())))


@pytest.mark.parametrize("layout", ["fortran", "transposed", "strided", "big-endian", "read-only"])
def test_every_memory_layout_is_written_as_its_values(layout, tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {
        "fortran": np.asfortranarray(base),
        "transposed": base.T,
        "strided": base[::2, ::-3],
        "big-endian": base.astype(">f4"),
        "read-only": base.copy(),
    }
    array = arrays[layout]
    array.flags.writeable = layout != "read-only"
    checkpoint.save(tmp_path / "a", {}, {"a": array})
    assert np.array_equal(read(tmp_path / "a", {"a": Expected(array.shape)})[1]["a"], array)


def test_the_library_reads_our_file():
    again = library_load(checkpoint.pack(CONFIG, TENSORS))
    assert all(np.array_equal(again[name], TENSORS[name]) for name in TENSORS)


def test_rights_are_those_that_the_umask_leaves(tmp_path):
    old = os.umask(0o027)
    try:
        checkpoint.save(tmp_path / "a", CONFIG, TENSORS)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data" / "model")
    checkpoint.save(link, CONFIG, TENSORS)
    assert link.is_symlink()
    assert (tmp_path / "data" / "model").is_file()


def test_what_a_killed_save_left_is_used_up_by_the_next(tmp_path):
    (tmp_path / ".a.tmp").write_bytes(b"x" * 10_000)
    checkpoint.save(tmp_path / "a", CONFIG, TENSORS)
    assert sorted(os.listdir(tmp_path)) == ["a"]
    read(tmp_path / "a")


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "a"
    checkpoint.save(path, {"old": 1}, TENSORS)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, {"new": 1}, TENSORS)
    monkeypatch.undo()
    assert read(path)[0]["old"] == 1
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_no_file_name(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"give the name of a file"):
        checkpoint.save(tmp_path, CONFIG, TENSORS)
    with pytest.raises(FileNotFoundError):
        checkpoint.save(tmp_path / "no" / "a", CONFIG, TENSORS)


def test_numbers_that_json_does_not_know_are_refused_when_writing():
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.pack({"a": float("nan")}, {})


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.complex64, object])
def test_other_types_are_refused_when_writing(dtype):
    with pytest.raises(TypeError, match="tensor 'a'"):
        checkpoint.pack({}, {"a": np.zeros(2, dtype)})


def test_cut_and_empty_files(tmp_path):
    whole = checkpoint.pack(CONFIG, TENSORS)
    path = tmp_path / "cut"
    for length in (0, 1, 7, 8, 9, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="cut"):
            read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(FormatError, match="cut"):
        read(path)


def test_giant_header_and_file_are_refused_unread(tmp_path):
    path = tmp_path / "giant"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**30))
        file.truncate(2**31)  # a hole: no disk is used
    with pytest.raises(FormatError, match="header: 1073741824 bytes"):
        read(path)
    checkpoint.save(path, CONFIG, TENSORS)
    with pytest.raises(FormatError, match="more than the 100 that are read"):
        read(path, max_bytes=100)


def test_giant_dimensions_are_refused_before_allocation(tmp_path):
    for shape in ([2**62, 4], [2**40], [2**64], [-1]):
        header = {"theta": {"dtype": "F32", "shape": shape, "data_offsets": [0, 16]}}
        with pytest.raises(FormatError, match="giant"):
            read(forge(tmp_path / "giant", header, b"\0" * 16))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[]", "metadata: expected an object"),
        ("{", "metadata: not JSON"),
        ("[" * 100_000, "metadata: not JSON"),
        ('{"format":1,"a":NaN}', "NaN is no JSON number"),
        ('{"format":' + "9" * 5000 + "}", "metadata: not JSON"),
        ("{}", "format: this library reads format 1, the file has None"),
        ('{"format":2}', "the file has 2"),
        ('{"format":true}', "the file has True"),
    ],
)
def test_metadata_that_is_no_configuration(tmp_path, text, match):
    with pytest.raises(FormatError, match=match):
        read(with_metadata(tmp_path / "a", text))


def test_a_safetensors_file_of_somebody_else(tmp_path):
    (tmp_path / "a").write_bytes(library_save(TENSORS))
    with pytest.raises(FormatError, match="not written by this library"):
        read(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"theta": Expected((7,))}, r"tensor theta: expected F32 of shape \(7,\), got F32 of shape \(6,\)"),
        ({"theta": Expected((6,), "F64")}, "tensor theta: expected F64"),
        ({"more": Expected((1,))}, r"missing \['more'\]"),
    ],
)
def test_tensors_must_be_the_expected_ones(tmp_path, change, match):
    checkpoint.save(tmp_path / "a", CONFIG, TENSORS)
    with pytest.raises(FormatError, match=match):
        read(tmp_path / "a", EXPECTED | change)
    with pytest.raises(FormatError, match=r"not expected \['moment'\]"):
        read(tmp_path / "a", {name: EXPECTED[name] for name in ("theta", "count")})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite(tmp_path, bad):
    checkpoint.save(tmp_path / "a", {}, {"theta": np.array([0, bad, 1], np.float32)})
    with pytest.raises(FormatError, match="tensor theta: holds 1 non-finite"):
        read(tmp_path / "a", {"theta": Expected((3,))})
    assert len(read(tmp_path / "a", {"theta": Expected((3,), finite=False)})[1]["theta"]) == 3


def test_fields_have_types_and_bool_is_no_int(tmp_path):
    checkpoint.save(tmp_path / "a", {"step": True, "name": 3}, TENSORS)
    with checkpoint.open_file(tmp_path / "a") as reader:
        with pytest.raises(FormatError, match="step: expected int, got True"):
            reader.field("step", int)
        with pytest.raises(FormatError, match="name: expected str or null, got 3"):
            reader.field("name", (str, type(None)))
        with pytest.raises(FormatError, match="other: is missing"):
            reader.field("other", int)
        assert reader.field("name", int) == 3


def test_text_of_a_file_is_escaped_and_short():
    assert checkpoint.shorten("\x1b[2J\u202e<b>") == "'\\x1b[2J\\u202e<b>'"
    assert len(checkpoint.shorten("x" * 10_000)) == 80
