"""Networks of diffusers in our engine: the same outputs, the same gradients, and their folders read and written.

Float32 keeps 7 digits and some hundred operations lose one or two of them, also in PyTorch; the project promises 1e-5
of the largest number for outputs and 2e-5 for gradients.
"""

import copy
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


def few(widths=(16, 24), **more):
    """Small, with attention at the lower resolutions, one layer."""
    levels = len(widths)
    blocks = {
        "down_block_types": ("DownBlock2D",) + ("AttnDownBlock2D",) * (levels - 1),
        "up_block_types": ("AttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
    }
    return narrow({**blocks, "layers_per_block": 1}, widths, **more)


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
    "centred, attention elsewhere on the way up": few(
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D"),
        center_input_sample=True,
    ),
    "no middle": few(mid_block_type=None),
    "resnet and conv resampling by block types": few(
        (16, 24, 24, 32),
        down_block_types=("DownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("ResnetUpsampleBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        downsample_padding=0,
    ),
    "resnet downsampling where there is attention": few(
        (16, 24, 24),
        down_block_types=("AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D"),
        downsample_type="resnet",
    ),
    "resnet upsampling alone": few(
        (16, 24),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        upsample_type="resnet",
    ),
    "groups of the middle's own": few(attn_norm_num_groups=4),
    "no norm in the middle": few(resnet_time_scale_shift="scale_shift"),
    "waves of log sigma": few(time_embedding_type="fourier", mid_block_scale_factor=2**0.5),
    "a row for each time": few(time_embedding_type="learned", num_train_timesteps=1000),
    "a wide time embedding": few(time_embedding_dim=24),
    "numbers as conditions": few(class_embed_type="timestep", time_embedding_dim=40, freq_shift=1),
    "numbers and waves of log sigma": few(class_embed_type="timestep", time_embedding_type="fourier"),
    "numbers that are rows of the table": few(
        class_embed_type="timestep", time_embedding_type="learned", num_train_timesteps=1000
    ),
    "vectors as conditions": few(class_embed_type="identity", time_embedding_dim=24),
    "mish": few(act_fn="mish"),
    "gelu": few(act_fn="gelu", resnet_time_scale_shift="scale_shift", attn_norm_num_groups=8),
    "relu": few(act_fn="relu"),
    "an image beside x, centred": few(in_channels=5, center_input_sample=True),
    "a learned variance": few(in_channels=2, out_channels=4),
    "a learned variance and an image": few(in_channels=3, out_channels=4),
}
LEARNED = {name for name in CONFIGS if name.startswith("a learned variance")}


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
    """x, timesteps, and what else the network is asked with."""
    x = sf.normal((n, *net.shape), seed=1)
    k = np.array([3, 999, 400, 0])[:n]
    if net.classes is not None:
        return x, k, {"labels": np.arange(n)}
    if net.condition == (1,):
        return x, k, {"condition": np.array([[7], [311]])[:n]}
    return x, k, {} if net.condition is None else {"condition": sf.normal((n, *net.condition), seed=3)}


def theirs(model, x, k, given):
    """Their answer as (n, H, W, C)."""
    dtype, labels, condition = model.dtype, given.get("labels"), given.get("condition")
    if condition is not None and condition.ndim == 4:
        x = np.concatenate([x, condition], 3)
    if condition is not None and condition.ndim == 2:
        labels = condition[:, 0] if condition.shape == (len(x), 1) else condition
    label, k = None if labels is None else torch.as_tensor(labels), torch.as_tensor(k)
    if dtype == torch.float64:  # of whole numbers they would take the logarithm in float32
        k, label = k.double(), None if label is None else label.double()
    image = torch.as_tensor(x.transpose(0, 3, 1, 2).copy()).to(dtype)
    return model(image, k, class_labels=label).sample.permute(0, 2, 3, 1)


def exact(model):
    """Waves of log sigma have angles of a thousand turns, of which float32 leaves four digits; ours are of float64."""
    return copy.deepcopy(model).double() if model.config.time_embedding_type == "fourier" else model


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
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range") if request.param in LEARNED else None
    return model, sf.diffusers.load(written(model, tmp_path_factory.mktemp("theirs"), scheduler))


def test_outputs_are_theirs(pair):
    model, loaded = pair
    x, k, given = question(loaded.net)
    with torch.no_grad():
        expected = theirs(exact(model), x, k, given).numpy()
    assert loaded.net.num_parameters == sum(p.numel() for p in model.parameters())
    assert np.abs(loaded.net(x, k, **given) - expected).max() <= 1e-5 * np.abs(expected).max()
    eps = expected[..., : x.shape[-1]]
    assert np.abs(loaded.eps(x, k + 1, **given) - eps).max() <= 1e-5 * np.abs(expected).max()


def test_gradients_are_theirs(pair):
    """Also those of the frequencies of "fourier", which they keep fixed: they are larger by 2 pi log sigma."""
    model, loaded = exact(pair[0]), pair[1]
    x, k, given = question(loaded.net)
    dy = sf.normal((len(x), *loaded.net.output_shape), seed=2)
    _, tape = loaded.net.forward(x, k, **given)
    _, dtheta = loaded.net.backward(tape, dy)
    model.requires_grad_(True).zero_grad()
    (theirs(model, x, k, given) * torch.as_tensor(dy)).sum().backward()
    gradients = {name: p.grad.numpy().ravel() for name, p in model.named_parameters()}
    places = {name: slice(begin, begin + size) for name, _, begin, size in loaded.net._core.parameters}
    frequencies = {"time_proj.weight"} & set(places)
    for group in (frequencies, set(places) - frequencies):
        ours = [dtheta[places[name]] - gradients[name] for name in group]
        most = max((np.abs(gradients[name]).max() for name in group), default=0)
        assert all(np.abs(difference).max() <= 2e-5 * most for difference in ours)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "count"), [(CIFAR, 35_746_307), (CAT, 113_673_219)], ids=["cifar10-32", "cat-256"])
def test_outputs_are_theirs_at_full_width(config, count, tmp_path):
    model = model_of(config)
    loaded = sf.diffusers.load(written(model, tmp_path))
    assert loaded.net.num_parameters == count
    x, k, given = question(loaded.net, n=1)
    with torch.no_grad():
        expected = theirs(model, x, k, given).numpy()
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
    assert pipeline.scheduler.config.variance_type == ("learned_range" if loaded._learn_variance else "fixed_small")
    x, k, given = question(loaded.net)
    with torch.no_grad():
        before, after = theirs(model, x, k, given), theirs(pipeline.unet, x, k, given)
    assert torch.allclose(before, after, rtol=0, atol=1e-5)  # PyTorch need not repeat its last bits


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_weights_in_several_files_are_read(safe, tmp_path):
    model = model_of(CONFIGS["no middle"])
    model.save_pretrained(tmp_path, safe_serialization=safe, max_shard_size="50KB")
    assert len([p for p in tmp_path.iterdir() if "-of-" in p.name]) > 2
    with pytest.warns(sf.ScorefieldWarning, match=r"no scheduler_config\.json"):
        state = sf.diffusers.load(tmp_path).net.state()
    for name, p in model.state_dict().items():
        assert np.array_equal(state[name].ravel(), p.numpy().ravel())


def test_a_learned_variance_is_theirs(tmp_path):
    """The log-variance of a step, half way between the two bounds by half of the output (Nichol and Dhariwal 2021)."""
    model = model_of(CONFIGS["a learned variance"])
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False)
    loaded = sf.diffusers.load(written(model, tmp_path, scheduler))
    words = sf.diffusers.sampling(tmp_path, steps=10)
    assert words["sampler"] == sf.samplers.Ancestral("learned")
    scheduler.set_timesteps(10)
    x = sf.normal((200, *loaded.shape), seed=5)[:1].repeat(2000, 0)
    t = int(scheduler.timesteps[3])
    with torch.no_grad():
        answer = model(torch.as_tensor(x[:1].transpose(0, 3, 1, 2).copy()), t).sample
    expected = scheduler._get_variance(t, predicted_variance=answer[:, 2:]).exp().permute(0, 2, 3, 1).numpy()[0]
    grid = [t + 1, t + 1 - 100]
    noisy = loaded.sample(x_T=x, sampler=words["sampler"], grid=grid, progress=False)
    ratio = noisy.var(0) / expected
    assert np.abs(ratio - 1).max() < 5.5 * np.sqrt(2 / 2000)  # standard error of a variance; 512 of them


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
