"""Networks of diffusers in our engine: the same outputs, the same gradients, and their folders read and written.

Float32 keeps 7 digits and some hundred operations lose one or two of them, also in PyTorch; the project promises 1e-5
of the largest number for outputs and 2e-5 for gradients.
"""

import json

import numpy as np
import pytest

import scorefield as sf

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed, or without what it needs")

GOOGLE = {  # of all google/ddpm-*: none of these is the default
    "freq_shift": 1,
    "flip_sin_to_cos": False,
    "downsample_padding": 0,
    "norm_eps": 1e-6,
    "attention_head_dim": None,
}
CIFAR = {
    **GOOGLE,
    "sample_size": 32,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}
CAT = {
    **GOOGLE,
    "sample_size": 32,  # 256 in the model; its structure does not depend on it
    "block_out_channels": (128, 128, 256, 256, 512, 512),
    "down_block_types": ("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
}
IMAGENET = {  # the consistency models' network for 64 x 64, its heads and blocks fewer
    "sample_size": 16,
    "block_out_channels": (32, 32, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("AttnDownBlock2D",) * 3,
    "up_block_types": ("AttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 32,
    "attention_head_dim": 32,
    "num_class_embeds": 10,
}


def narrow(config, widths, **more):
    return {**config, "block_out_channels": widths, "sample_size": 16, "norm_num_groups": 8, **more}


CONFIGS = {
    "ddpm-cifar10-32, narrow": narrow(CIFAR, (16, 32, 32, 32)),
    "ddpm-cat-256, narrow": narrow(CAT, (16, 16, 24, 24, 32, 32), sample_size=32),
    "imagenet64": IMAGENET,
    "defaults": {"block_out_channels": (32, 32, 64, 64), "sample_size": 16},
    "one layer, two channels, heads that do not divide": narrow(
        {}, (16, 32, 32, 40), layers_per_block=1, attention_head_dim=12, in_channels=2, out_channels=2
    ),
    "high and narrow, middle scaled": narrow({}, (16, 24, 24, 32), sample_size=[16, 8], mid_block_scale_factor=2**0.5),
    "no attention in the middle": narrow({}, (16, 24, 24, 32), add_attention=False, norm_eps=1e-3),
    "one level": {
        **narrow({}, (16,), in_channels=1, out_channels=1),
        "down_block_types": ("AttnDownBlock2D",),
        "up_block_types": ("AttnUpBlock2D",),
    },
}


def model_of(config):
    """Their network with random weights, none of them 0 or 1."""
    torch.manual_seed(0)
    model = diffusers.UNet2DModel(**config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model


def written(model, folder, scheduler=None):
    diffusers.DDPMPipeline(model, scheduler or diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder


def question(net, n=2):
    x = sf.normal((n, *net.shape), seed=1)
    k = np.array([3, 999, 400, 0])[:n]
    return x, k, None if net.classes is None else np.arange(n)


def theirs(model, x, k, labels, dtype=torch.float32):
    """Their answer as (n, H, W, C)."""
    given = torch.as_tensor(x.transpose(0, 3, 1, 2).copy()).to(dtype)
    label = None if labels is None else torch.as_tensor(labels)
    return model(given, torch.as_tensor(k), class_labels=label).sample.permute(0, 2, 3, 1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """PyTorch's threads wait for each other in loops, which takes long while others compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=CONFIGS, name="pair")
def _pair(request, tmp_path_factory):
    """Their network, and what we load from its folder."""
    model = model_of(CONFIGS[request.param])
    return model, sf.diffusers.load(written(model, tmp_path_factory.mktemp("theirs")))


def test_outputs_are_theirs(pair):
    model, loaded = pair
    x, k, labels = question(loaded.net)
    with torch.no_grad():
        expected = theirs(model, x, k, labels).numpy()
    assert loaded.net.num_parameters == sum(p.numel() for p in model.parameters())
    assert np.abs(loaded.net(x, k, labels) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.abs(loaded.eps(x, k + 1, labels=labels) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_gradients_are_theirs(pair):
    model, loaded = pair
    x, k, labels = question(loaded.net)
    dy = sf.normal(x.shape, seed=2)
    _, tape = loaded.net.forward(x, k, labels)
    _, dtheta = loaded.net.backward(tape, dy)
    model.zero_grad()
    (theirs(model, x, k, labels) * torch.as_tensor(dy)).sum().backward()
    gradients = {name: p.grad.numpy().ravel() for name, p in model.named_parameters()}
    expected = np.concatenate([gradients[name] for name, *_ in loaded.net._core.parameters])
    assert np.abs(dtheta - expected).max() <= 2e-5 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(("config", "count"), [(CIFAR, 35_746_307), (CAT, 113_673_219)], ids=["cifar10-32", "cat-256"])
def test_outputs_are_theirs_at_full_width(config, count, tmp_path):
    model = model_of(config)
    loaded = sf.diffusers.load(written(model, tmp_path))
    assert loaded.net.num_parameters == count
    x, k, _ = question(loaded.net, n=1)
    with torch.no_grad():
        expected = theirs(model, x, k, None).numpy()
    assert np.abs(loaded.eps(x, k + 1) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_folder_that_we_write_is_theirs(pair, tmp_path):
    """Every tensor and every setting comes back, and their pipeline reads the folder."""
    model, loaded = pair
    sf.diffusers.save(loaded, tmp_path / "ours")
    pipeline = diffusers.DDPMPipeline.from_pretrained(str(tmp_path / "ours"), low_cpu_mem_usage=False)
    again = pipeline.unet.state_dict()
    assert list(again) == list(model.state_dict())
    assert all(torch.equal(p, again[name]) for name, p in model.state_dict().items())
    plain = lambda unet: json.loads(unet.to_json_string())  # noqa: E731
    before, after = plain(model), plain(pipeline.unet)
    free = {
        "attn_norm_num_groups",
        "downsample_padding",
        "downsample_type",
        "upsample_type",
    }  # where nothing reads them
    assert {k: v for k, v in before.items() if k[0] != "_" and k not in free} == {
        k: v for k, v in after.items() if k[0] != "_" and k not in free
    }
    x, k, labels = question(loaded.net)
    with torch.no_grad():
        before, after = theirs(model, x, k, labels), theirs(pipeline.unet, x, k, labels)
    assert torch.allclose(before, after, rtol=0, atol=1e-5)  # PyTorch need not repeat its last bits


def test_their_pipeline_samples_from_our_folder(tmp_path):
    model = sf.Diffusion(sf.UNet((8, 8, 3), widths=(8, 16)), sf.schedules.Cosine(1000), "v")
    sf.diffusers.save(model, tmp_path)
    pipeline = diffusers.DDPMPipeline.from_pretrained(str(tmp_path), low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(batch_size=2, num_inference_steps=3, output_type="np").images
    assert images.shape == (2, 8, 8, 3)
    assert pipeline.scheduler.config.beta_schedule == "squaredcos_cap_v2"
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_weights_of_every_kind_are_read(dtype, safe, tmp_path):
    model = model_of(CONFIGS["one level"]).to(dtype)
    model.save_pretrained(tmp_path, safe_serialization=safe)
    with pytest.warns(sf.ScorefieldWarning, match=r"no scheduler_config\.json: taken as trained with Linear"):
        state = sf.diffusers.load(tmp_path).net.state()
    for name, p in model.state_dict().items():
        assert np.array_equal(state[name].ravel(), p.float().numpy().ravel())


SCHEDULES = {
    "linear": (sf.schedules.Linear(1000), {}),
    "linear, its own ends": (sf.schedules.Linear(500, 2e-4, 0.04), {}),
    "scaled_linear": (sf.schedules.ScaledLinear(1000), {}),
    "squaredcos_cap_v2": (sf.schedules.Cosine(1000), {"prediction": "v"}),
    "trained_betas": (sf.schedules.Table(betas=np.linspace(1e-4, 0.02, 1000) ** 1.05), {}),
    "sigmoid of alpha_bar": (sf.schedules.Sigmoid(1000), {"prediction": "x0"}),
    "zero terminal SNR": (sf.schedules.Linear(1000).zero_terminal_snr(), {"prediction": "v"}),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_that_we_write_is_theirs(name, tmp_path):
    """alpha_bar to float32: their products round 1000 times, 1e-7 each, at random."""
    schedule, words = SCHEDULES[name]
    sf.diffusers.save(sf.Diffusion(sf.UNet((4, 4, 1), widths=(8,)), schedule, **words), tmp_path)
    scheduler = diffusers.DDPMScheduler.from_pretrained(str(tmp_path), subfolder="scheduler")
    ours = schedule.alpha_bar(np.arange(1.0, schedule.T + 1))
    np.testing.assert_allclose(scheduler.alphas_cumprod.numpy(), ours, rtol=1e-5, atol=1e-7)
    again = sf.diffusers.load(tmp_path)
    np.testing.assert_allclose(again.schedule.alpha_bar(np.arange(1.0, schedule.T + 1)), ours, rtol=1e-12, atol=1e-15)
    assert again._prediction == words.get("prediction", "eps")
