"""diffusers' folders without diffusers: what is written, what is read, what is refused, and files that are damaged."""

import json
import pickle
import shutil
import sys
import zipfile

import numpy as np
import pytest
import torch_files
from safetensors.numpy import load_file, save_file

import scorefield as sf
from scorefield.diffusers.torch_file import read_torch_file

TINY = {"widths": (4, 8), "depth": 1, "attention": (2,), "classes": 3, "frequency_shift": 1}
WEIGHTS = "diffusion_pytorch_model.safetensors"


def model_of(**words):
    net = sf.UNet(**{"shape": (4, 4, 2), **TINY, **words})
    net.theta = net.theta + 0.05 * sf.normal((1, net.num_parameters), seed=1)[0]
    return sf.Diffusion(net, sf.schedules.Linear(1000))


@pytest.fixture(name="folder")
def _folder(tmp_path):
    sf.diffusers.save(model_of(), tmp_path / "tiny")
    return tmp_path / "tiny"


def settings(folder, part="unet/config.json"):
    return json.loads((folder / part).read_text())


def change(folder, part="unet/config.json", **changes):
    values = {**settings(folder, part), **changes}
    (folder / part).write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))


# ---- what is written


def test_the_layout_is_that_of_a_pipeline(folder):
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", f"unet/{WEIGHTS}"]
    index = settings(folder, "model_index.json")
    assert index["_class_name"] == "DDPMPipeline"
    assert index["unet"] == ["diffusers", "UNet2DModel"]
    assert index["scheduler"] == ["diffusers", "DDPMScheduler"]
    text = (folder / "unet" / "config.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_the_weights_have_the_header_that_others_expect(folder):
    """Length, JSON with names, shapes in torch's order and places, and the metadata that PyTorch's loaders ask for."""
    data = (folder / "unet" / WEIGHTS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    assert {entry["dtype"] for entry in header.values()} == {"F32"}
    shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    assert shapes["conv_in.weight"] == (4, 2, 3, 3)
    assert shapes["time_embedding.linear_1.weight"] == (16, 4)
    assert shapes["class_embedding.weight"] == (3, 16)
    assert shapes["down_blocks.1.resnets.0.conv_shortcut.weight"] == (8, 4, 1, 1)
    assert shapes["down_blocks.1.attentions.0.to_out.0.weight"] == (8, 8)
    assert shapes["up_blocks.0.resnets.1.conv1.weight"] == (8, 12, 3, 3)
    begin, end = header["conv_in.weight"]["data_offsets"]
    first = np.frombuffer(data[8 + length :][begin:end], "<f4")
    assert np.array_equal(first, model_of().net.state()["conv_in.weight"].ravel())


VARIETY = {
    "tiny": {},
    "high": {"shape": (8, 4, 1), "attention": (4,), "classes": None},
    "one head each four channels": {"head_channels": 4, "attention": (4, 2)},
    "no attention": {"attention": (), "middle_attention": False, "eps": 1e-6, "shifted_downsampling": True},
    "of another kind": {"residual_resampling": True, "scale_shift": True, "cosine_first": True, "middle_scale": 2.0},
    "dropout and groups": {"dropout": 0.25, "groups": 2},
    "other ways up": {"attention": ((4,), (2,)), "residual_resampling": ((), (2,)), "middle_groups": 2, "groups": 4},
    "that hears sigma": {"time_embedding": "fourier", "centred": True, "middle": False, "activation": "mish"},
    "of rows, with an image": {"time_embedding": 1000, "time_width": 12, "condition": (4, 4, 3), "classes": None},
    "with numbers": {"condition": (1,), "condition_embedding": "sinusoid", "classes": None, "activation": "gelu"},
    "with vectors": {"condition": (16,), "condition_embedding": "identity", "classes": None, "activation": "relu"},
    "without a norm": {"scale_shift": True, "middle_groups": 0},
}


@pytest.mark.parametrize("words", VARIETY)
def test_there_and_back_every_bit_is_the_same(words, tmp_path):
    model = model_of(**VARIETY[words])
    sf.diffusers.save(model, tmp_path / "a")
    again = sf.diffusers.load(tmp_path / "a")
    assert np.array_equal(again.net.theta, model.net.theta)
    assert again.schedule == model.schedule
    told = {k: v for k, v in again.net._arguments().items() if k != "seed"}
    own = {k: v for k, v in model.net._arguments().items() if k != "seed"}
    assert told == {**own, "groups": model.net._groups, "attention": tuple(sorted(own["attention"], reverse=True))}
    words = {"steps": 3, "sampler": "ddim", "progress": False, "grid": sf.grids.Linspace(t_end=2.0)}
    if model.net.condition:
        words["condition"] = sf.normal((2, *model.net.condition), seed=3)
    assert np.array_equal(model.sample(2, **words), again.sample(2, **words))
    sf.diffusers.save(again, tmp_path / "b")
    for file in ("unet/config.json", f"unet/{WEIGHTS}", "scheduler/scheduler_config.json", "model_index.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_average_is_written_and_raw_weights_if_asked(tmp_path):
    model = model_of(classes=None).fit(sf.normal((16, 4, 4, 2), seed=0), steps=3, ema=0.5, progress=False)
    sf.diffusers.save(model, tmp_path / "average")
    sf.diffusers.save(model.raw, tmp_path / "raw")
    x = sf.normal((2, 4, 4, 2), seed=3)
    for one, name in ((model, "average"), (model.raw, "raw")):
        assert np.array_equal(sf.diffusers.load(tmp_path / name).eps(x, 500), one.eps(x, 500))
    assert np.array_equal(sf.diffusers.load(tmp_path / "raw").net.theta, model.net.theta)
    assert not np.array_equal(sf.diffusers.load(tmp_path / "average").net.theta, model.net.theta)


def test_a_flow_is_written_for_flow_matching(tmp_path):
    model = sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), "rectified_flow")
    sf.diffusers.save(model, tmp_path)
    again = sf.diffusers.load(tmp_path)
    assert (again.schedule, again._prediction) == (sf.schedules.RectifiedFlow(), "flow")
    words = sf.diffusers.sampling(tmp_path, steps=4)
    np.testing.assert_allclose(words.pop("grid"), [1, 0.667, 0.334, 0.001, 0], atol=1e-12)
    assert words == {"sampler": sf.samplers.Euler()}


def test_writing_replaces_and_leaves_nothing_behind(folder):
    sf.diffusers.save(model_of(widths=(4, 4)), folder)
    assert sf.diffusers.load(folder).net.widths == (4, 4)
    assert not [p for p in folder.rglob("*") if p.name.endswith(".tmp")]


NOT_THEIRS = [
    (lambda: sf.Diffusion(sf.MLP(2), "linear"), "only a UNet can be a UNet2DModel, this network is a MLP"),
    (lambda: sf.Diffusion(sf.UNet((8, 1), widths=(8,)), "linear"), r"this UNet is for sequences \(8, 1\)"),
    (lambda: model_of(shape=(5, 4, 2), attention=()), r"must be multiples of 2, got \(5, 4\)"),
    (lambda: model_of(condition=(3,)), r"UNet2DModel has nothing like condition=\(3,\)"),
    (lambda: model_of(condition=(1,), condition_embedding="sinusoid"), "UNet2DModel has nothing like classes=3"),
    (lambda: model_of(activation="tanh"), "UNet2DModel has nothing like activation='tanh'"),
    (lambda: model_of(middle_groups=0), r"without norm \(middle_groups=0\) only with scale_shift"),
    (
        lambda: model_of(shape=(8, 8, 2), widths=(4, 8, 8), attention=(8, 4), residual_resampling=((4,), ())),
        r"in all blocks with attention \(downsample_type\)",
    ),
    (lambda: sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), "vp"), r"discrete variance preserving schedule.*VP\("),
    (lambda: sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), "edm"), "discrete variance preserving"),
    (lambda: sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), "linear", "score"), "predicts eps, v, x0; this .* score"),
    (lambda: sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), "linear", scale=(0, 2)), "hold no scale"),
]


@pytest.mark.parametrize(("make", "message"), NOT_THEIRS, ids=[message[:30] for _, message in NOT_THEIRS])
def test_what_diffusers_has_no_word_for_is_refused(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sf.diffusers.save(make(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_arguments_are_checked(tmp_path):
    with pytest.raises(TypeError, match="model must be a Diffusion, got UNet"):
        sf.diffusers.save(model_of().net, tmp_path)
    with pytest.raises(TypeError, match="folder must be the name of a folder, got 3"):
        sf.diffusers.save(model_of(), 3)
    with pytest.raises(TypeError, match="folder must be the name of a folder, got 3"):
        sf.diffusers.load(3)
    with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
        sf.diffusers.load("google/ddpm-cifar10-32")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        sf.diffusers.load(tmp_path / "file")
    with pytest.raises(sf.FormatError, match=r"no config\.json, so this is no folder of a UNet2DModel"):
        sf.diffusers.load(tmp_path)


def test_the_real_diffusers_stays_what_it_is():
    assert "diffusers" not in sys.modules or not sys.modules["diffusers"].__name__.startswith("scorefield")
    assert sf.diffusers.__name__ == "scorefield.diffusers"


# ---- what is read


def test_older_folders_have_all_files_in_the_root(folder, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for file in ("unet/config.json", f"unet/{WEIGHTS}", "scheduler/scheduler_config.json", "model_index.json"):
        shutil.copy(folder / file, old)
    assert np.array_equal(sf.diffusers.load(old).net.theta, sf.diffusers.load(folder).net.theta)
    assert sf.diffusers.sampling(old) == sf.diffusers.sampling(folder)


def test_older_names_and_shapes_are_understood(folder):
    """query, key, value, proj_attn; matrices as 1 x 1 convolutions; UNetRes before the names of blocks."""
    expected = sf.diffusers.load(folder).net.theta
    modern = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, array in sf.diffusers.load(folder).net.state().items():
        layer, _, kind = name.rpartition(".")
        for new, old in modern.items():
            if layer.endswith(f".attentions.0.{new}"):
                layer = layer.removesuffix(new) + old
                array = array.reshape(*array.shape, 1, 1) if kind == "weight" else array
        state[f"{layer}.{kind}"] = array
    state["down_blocks.0.downsamplers.0.Conv2d_0.bias"] = state["down_blocks.0.downsamplers.0.conv.bias"]
    (folder / "unet" / WEIGHTS).unlink()
    torch_files.write_state(folder / "unet" / "diffusion_pytorch_model.bin", state)
    change(folder, down_block_types=["UNetResDownBlock2D", "UNetResAttnDownBlock2D"])
    assert np.array_equal(sf.diffusers.load(folder).net.theta, expected)


def test_an_absent_head_dimension_is_eight_and_null_is_one_head(folder):
    """Three heads where a width of 24 says nothing, one where it says null."""
    sf.diffusers.save(model_of(widths=(16, 24), groups=8), folder)
    assert sf.diffusers.load(folder).net.head_channels is None
    change(folder, attention_head_dim=...)
    assert sf.diffusers.load(folder).net.head_channels == 8


REFUSED = [
    ({"down_block_types": ["SkipDownBlock2D", "AttnDownBlock2D"]}, "down_block_types: 'SkipDownBlock2D' is not supp"),
    ({"up_block_types": ["AttnUpBlock2D"]}, "up_block_types: expected one block for each of 2"),
    ({"mid_block_type": "UNetMidBlock2DCrossAttn"}, "mid_block_type: 'UNetMidBlock2DCrossAttn' is not supported"),
    ({"center_input_sample": 1}, "center_input_sample: expected bool, got 1"),
    ({"time_embedding_type": "random"}, "time_embedding_type: 'random' is not supported"),
    ({"time_embedding_type": "learned"}, "num_train_timesteps: expected int, got None"),
    ({"time_embedding_dim": 64}, "numbers, but config.json describes a network of|expected shape"),
    ({"time_embedding_dim": -1}, r"time_embedding_dim: expected 0\.\.1000000, got -1"),
    ({"act_fn": "tanh"}, 'act_fn: \'tanh\' is not supported; supported: "silu", "swish", "mish"'),
    ({"class_embed_type": "projection"}, "class_embed_type: 'projection' is not supported"),
    ({"class_embed_type": "timestep", "in_channels": 3}, "class_embed_type: beside an image that joins x"),
    ({"attn_norm_num_groups": 3}, "the network: .middle_groups must divide the last width, 8"),
    ({"downsample_padding": 2}, "downsample_padding: 2 is not supported; supported: 0, 1"),
    ({"resnet_time_scale_shift": "spatial"}, "resnet_time_scale_shift: 'spatial' is not supported"),
    ({"norm_num_groups": None}, "norm_num_groups: expected int, got None"),
    ({"norm_num_groups": 3}, "the network: .groups must divide every width"),
    ({"sample_size": None}, "sample_size: null gives the network no shape"),
    ({"sample_size": 5}, "sample_size: expected a multiple of 2"),
    ({"sample_size": [4, 4, 4]}, "sample_size: 3 entries, more than the 2"),
    ({"out_channels": 4}, 'out_channels: 4 with 2 in_channels: a model predicts .* variance_type "learned_range"'),
    ({"in_channels": 10**30}, "in_channels: expected 1\\.\\.65536"),
    ({"block_out_channels": []}, "block_out_channels: expected entries"),
    ({"block_out_channels": [4, 65537]}, "block_out_channels: expected entries"),
    ({"layers_per_block": 2}, r"tensors: missing \['down_blocks\.0\.resnets\.1|numbers, but"),
    ({"attention_head_dim": 9}, "the network: .head_channels must be at most"),
    (
        {"num_class_embeds": 4},
        "tensor class_embedding.weight: expected shape \\(4, 16\\), got \\(3, 16\\)|numbers, but",
    ),
    ({"norm_eps": "small"}, "norm_eps: expected int or float, got 'small'"),
    ({"ch_mult": [1, 2]}, "ch_mult: a key of diffusers before 0.1"),
    ({"_class_name": "UNet2DConditionModel"}, "_class_name: 'UNet2DConditionModel' is not supported"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[next(iter(c)) for c, _ in REFUSED])
def test_what_is_not_supported_is_refused_by_its_name(changes, message, folder):
    change(folder, **changes)
    with pytest.raises(sf.FormatError, match=message) as refusal:
        sf.diffusers.load(folder)
    assert str(refusal.value).startswith(str(folder / "unet"))


def test_what_lies_around_the_network_is_checked(folder):
    weights = folder / "unet" / WEIGHTS
    change(folder, "model_index.json", vqvae=["diffusers", "VQModel"])
    with pytest.raises(sf.FormatError, match="'vqvae': pipelines of other parts"):
        sf.diffusers.load(folder)
    change(folder, "model_index.json", vqvae=...)
    weights.rename(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(sf.FormatError, match=r"found diffusion_pytorch_model\.fp16\.safetensors, rename one"):
        sf.diffusers.load(folder)


def in_parts(folder, parts=3):
    """The same weights in several files with an index; returns the index."""
    whole = folder / "unet" / WEIGHTS
    state = load_file(whole)
    names = [f"diffusion_pytorch_model-{i + 1:05}-of-{parts:05}.safetensors" for i in range(parts)]
    for i, name in enumerate(names):
        save_file({key: state[key] for key in list(state)[i::parts]}, folder / "unet" / name)
    places = {key: names[i % parts] for i, key in enumerate(state)}
    whole.unlink()
    (folder / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return f"unet/{WEIGHTS}.index.json", places


def test_weights_in_several_files_are_one_network(folder):
    expected = sf.diffusers.load(folder).net
    in_parts(folder)
    assert sf.diffusers.load(folder).net == expected


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda places: {}, r"weight_map: expected the file of each tensor, got \{\}"),
        (lambda places: [1], r"weight_map: expected the file of each tensor, got \[1\]"),
        (lambda places: {**places, "conv_in.bias": 3}, r"weight_map: 3 is no \.safetensors file of this folder"),
        (
            lambda places: {**places, "conv_in.bias": "../a.safetensors"},
            "weight_map: .* is no .safetensors file of this",
        ),
        (lambda places: {**places, "conv_in.bias": "a.bin"}, "weight_map: 'a.bin' is no .safetensors file of this"),
        (lambda places: {**places, "conv_in.bias": "a.safetensors"}, "weight_map: 'a.safetensors' is missing"),
        (lambda places: {**places, "more": places["conv_in.bias"]}, "weight_map: .* has no tensor 'more'"),
        (lambda places: {k: v for k, v in places.items() if k != "conv_in.bias"}, "numbers, but|tensors: missing"),
    ],
)
def test_an_index_that_cannot_be_is_refused(spoil, message, folder):
    index, places = in_parts(folder)
    (folder / index).write_text(json.dumps({"weight_map": spoil(places)}))
    with pytest.raises(sf.FormatError, match=message):
        sf.diffusers.load(folder)


def test_a_learned_variance_goes_both_ways(tmp_path):
    net = sf.UNet((4, 4, 2), widths=(4, 8), out=4, condition=(4, 4, 1))
    model = sf.Diffusion(net, sf.schedules.Linear(1000), learn_variance=True)
    sf.diffusers.save(model, tmp_path / "a")
    written = settings(tmp_path / "a")
    assert (written["in_channels"], written["out_channels"]) == (3, 4)
    again = sf.diffusers.load(tmp_path / "a")
    assert again._learn_variance
    assert again.net.shape == (4, 4, 2)
    assert again.net.condition == (4, 4, 1)
    words = sf.diffusers.sampling(tmp_path / "a", steps=3)
    assert words["sampler"] == sf.samplers.Ancestral("learned")
    words = {**words, "condition": sf.normal((2, 4, 4, 1), seed=0), "progress": False}
    assert np.array_equal(again.sample(2, **words), model.sample(2, **words))


def test_of_a_network_alone_twice_the_channels_are_a_learned_variance(tmp_path):
    net = sf.UNet((4, 4, 2), widths=(4, 8), out=4)
    sf.diffusers.save(sf.Diffusion(net, sf.schedules.Linear(1000), learn_variance=True), tmp_path)
    with pytest.warns(sf.ScorefieldWarning, match=r"no scheduler_config\.json"):
        assert sf.diffusers.load(tmp_path / "unet")._learn_variance


def test_a_variance_of_flow_matching_is_refused(tmp_path):
    net = sf.UNet((4, 4, 1), widths=(8,))
    sf.diffusers.save(sf.Diffusion(net, "rectified_flow"), tmp_path)
    name = {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    change(tmp_path, "scheduler/scheduler_config.json", **name, variance_type="learned_range")
    sf.diffusers.load(tmp_path)  # a class that does not read it
    change(tmp_path, "scheduler/scheduler_config.json", _class_name="DPMSolverMultistepScheduler")
    with pytest.raises(sf.FormatError, match="variance_type: a learned variance of flow matching is not supported"):
        sf.diffusers.load(tmp_path)


def test_a_network_of_log_sigma_has_no_lowest_timestep(tmp_path):
    """Their timestep 0, where they divide by it, is our c_noise 0."""
    sf.diffusers.save(model_of(time_embedding="fourier"), tmp_path)
    model = sf.diffusers.load(tmp_path)
    x = sf.normal((1, 4, 4, 2), seed=0)
    assert np.isfinite(model.eps(x, 2)).all()
    with pytest.raises(ValueError, match="hears the logarithm of time needs times above 0, got 0"):
        model.eps(x, 1)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sample_size": NaN}', "\xff", '{"a": ' + "[" * 10**5])
def test_json_that_is_none_is_refused(text, folder):
    (folder / "unet" / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(sf.FormatError, match=r"config\.json: (not JSON|expected an object)"):
        sf.diffusers.load(folder)


# ---- PyTorch's files


def numbers(size=6):
    return np.arange(size, dtype="<f4").tobytes()


def one(made, members=None, **words):
    return lambda path: torch_files.write(path, torch_files.program({"a": made}), members or {"0": numbers()}, **words)


def test_a_file_by_hand_is_read(tmp_path):
    made = {
        "a": torch_files.tensor("0", 6, (2, 3), (3, 1)),
        "transposed": torch_files.tensor("0", 6, (3, 2), (1, 3)),
        "part": torch_files.tensor("0", 6, (2,), (1,), offset=4),
        "half": torch_files.tensor("1", 2, (2,), (1,), kind="HalfStorage"),
        "number": torch_files.tensor("0", 6, (), (), offset=5),
    }
    members = {"0": numbers(), "1": np.array([1.5, -2], "<f2").tobytes()}
    found = read_torch_file(torch_files.write(tmp_path / "a.bin", torch_files.program(made), members))
    expected = {
        "a": [[0, 1, 2], [3, 4, 5]],
        "transposed": [[0, 3], [1, 4], [2, 5]],
        "part": [4, 5],
        "half": [1.5, -2],
        "number": 5,
    }
    assert {name: entry.read().tolist() for name, entry in found.items()} == expected
    assert {name: entry.shape for name, entry in found.items()} == {n: np.shape(v) for n, v in expected.items()}


class Evil:
    def __reduce__(self):
        return (open, ("made-by-a-file", "w"))


BAD = [
    (one(torch_files.tensor("0", 6, (7,), (1,))), "does not lie within its storage"),
    (one(torch_files.tensor("0", 6, (2,), (6,))), "does not lie within its storage"),
    (one(torch_files.tensor("0", 6, (2**20, 2**20), (0, 0))), "does not lie within its storage"),
    (one(torch_files.tensor("0", 6, (2,), (1,), offset=5)), "does not lie within its storage"),
    (one(torch_files.tensor("0", 6, (2,), (-1,))), "holds a tensor of"),
    (one(torch_files.tensor("0", 7, (7,), (1,))), "holds no 'archive/data/0' of 7 numbers"),
    (one(torch_files.tensor("1", 6, (6,), (1,))), "holds no 'archive/data/1' of 6 numbers"),
    (one(torch_files.tensor("0", 6, (6,), (1,), kind="QInt8Storage")), r"asks for 'torch\.QInt8Storage'"),
    (one(torch_files.integer(3)), "expected tensors by name, got 'a': int"),
    (one(b"cos\nsystem\n" + torch_files.text("true") + b"\x85R"), r"asks for 'os\.system'"),
    (one(b"]" + torch_files.text("k") + torch_files.integer(1) + b"s"), "sets entries of something that is no dict"),
    (one(torch_files.integer(1) + b"}b"), "sets the state of something that is no dictionary"),
    (one(b"}" + torch_files.integer(1) + b"a"), "appends to something that is no list"),
    (one(torch_files.text("s") + b"Q"), r"data\.pkl is damaged"),
    (one(b"(lb"), "holds the pickle instruction LIST"),
    (one(torch_files.tensor("0", 6, (6,), (1,)), compression=zipfile.ZIP_DEFLATED), "is packed or encrypted"),
    (lambda path: torch_files.write(path, b"\x80\x02K\x01.", {}), "expected a dictionary of tensors, got int"),
    (lambda path: torch_files.write(path, b"\x80\x02", {}), r"data\.pkl is damaged|has no end"),
    (lambda path: torch_files.write(path, pickle.dumps(Evil()), {}), r"asks for '_?io\.open'"),
    (lambda path: torch_files.write(path, pickle.dumps(Evil(), 0), {}), r"asks for '_?io|pickle instruction"),
    (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "not a zip archive; files of PyTorch before 1.6"),
    (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "not a sound zip archive"),
    (lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"), "not a sound zip|expected one data.pkl"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_whatever_is_no_tensor_is_refused(make, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a.bin")
    with pytest.raises(sf.FormatError, match=message):
        read_torch_file(tmp_path / "a.bin")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]  # nothing ran


def damaged(data, rng, times):
    """The file cut short at every kind of place, and with one to three bits turned."""
    for cut in {
        0,
        1,
        3,
        4,
        7,
        8,
        9,
        30,
        len(data) - 1,
        len(data) - 22,
        *rng.integers(0, len(data), times // 4).tolist(),
    }:
        yield data[:cut]
    for _ in range(times):
        changed = bytearray(data)
        for bit in rng.integers(0, 8 * len(data), rng.integers(1, 4)):
            changed[bit // 8] ^= 1 << (bit % 8)
        yield bytes(changed)


@pytest.mark.parametrize("kind", ["bin", "safetensors", "config", "scheduler", "index"])
def test_damaged_files_are_refused_or_read_but_nothing_else(kind, tmp_path):
    """FormatError or OSError, or a network of finite numbers: never another exception, never much memory or time."""
    net = sf.UNet((2, 2, 1), widths=(2,), depth=1, middle_attention=False)
    folder = tmp_path / "tiny"
    sf.diffusers.save(sf.Diffusion(net, "linear"), folder)
    if kind == "bin":
        (folder / "unet" / WEIGHTS).unlink()
        torch_files.write_state(folder / "unet" / "diffusion_pytorch_model.bin", net.state())
    files = {
        "bin": "unet/diffusion_pytorch_model.bin",
        "safetensors": f"unet/{WEIGHTS}",
        "config": "unet/config.json",
        "scheduler": "scheduler/scheduler_config.json",
        "index": "model_index.json",
    }
    path, rng, refused = folder / files[kind], np.random.default_rng(0), 0
    for data in damaged(path.read_bytes(), rng, 150):
        path.write_bytes(data)
        try:
            assert np.isfinite(sf.diffusers.load(folder).net.theta).all()
            sf.diffusers.sampling(folder)
        except (sf.FormatError, OSError):
            refused += 1
    assert refused > 20


def test_a_tensor_of_nan_is_refused(folder):
    state = {name: np.full_like(p, np.nan) for name, p in sf.diffusers.load(folder).net.state().items()}
    (folder / "unet" / WEIGHTS).unlink()
    torch_files.write_state(folder / "unet" / "diffusion_pytorch_model.bin", state)
    with pytest.raises(sf.FormatError, match=r"tensor class_embedding\.weight: holds 48 non-finite values"):
        sf.diffusers.load(folder)
