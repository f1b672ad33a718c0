"""Pictures: what is drawn, where, and what is returned. Colours and taste are for eyes."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import scorefield as sf  # noqa: E402
from scorefield import datasets, plot  # noqa: E402


@pytest.fixture(autouse=True)
def _closed():
    before = dict(plt.rcParams)
    yield
    assert dict(plt.rcParams) == before  # no global style is touched
    plt.close("all")


def screen(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def images(n, h=8, w=8, c=1, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, h, w, c)).astype(np.float32)


class Bell:
    """N(0, I) in the plane: log p = -|x|^2 / 2 - log 2 pi, score = -x."""

    def log_prob(self, x):
        return -(x**2).sum(1) / 2 - np.log(2 * np.pi)

    def score(self, x, t):
        self.asked = t
        return -x


@pytest.mark.parametrize("shape", [(12, 8, 8, 1), (5, 28, 28, 1), (7, 8, 16, 3), (1, 32, 32, 3)])
def test_every_pixel_of_a_grid_is_a_square_of_the_screen(shape):
    x = np.sign(images(*shape))
    figure = plot.grid(x, columns=4)
    seen = screen(figure)[..., :3]
    zoom = round(80 / max(shape[1:3]))
    corner = [round(v) for v in figure.axes[0].get_window_extent().extents]  # left, bottom, right, top
    first = seen[len(seen) - corner[3] :, corner[0] :][: shape[1] * zoom, : shape[2] * zoom]
    expected = np.broadcast_to((x[0] + 1) * 127.5, (*shape[1:3], 3)).repeat(zoom, 0).repeat(zoom, 1)
    assert np.array_equal(first, expected)


def test_grid_cuts_at_the_limits_and_takes_a_colour_map():
    x = np.array([-5.0, -1.0, 0.0, 5.0]).reshape(4, 1, 1, 1)
    ax = plot.grid(x, columns=4, limits=(0, 1), cmap="magma").axes[0]
    values = ax.images[0].get_array().compressed()
    assert set(values.tolist()) == {0.0, 1.0}
    assert ax.images[0].get_cmap().name == "magma"
    assert ax.images[0].get_clim() == (0, 1)
    assert ax.images[0].get_interpolation() == "nearest"


def test_titles_stand_above_their_images_in_order():
    x, captions = datasets.scenes(6)
    ax = plot.grid(x, columns=3, titles=captions).axes[0]
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == captions
    opaque = np.asarray(ax.images[0].get_array())[..., 3] > 0
    corners = {}
    for k, text in enumerate(ax.texts):
        column, row = (round(v) for v in text.get_position())
        assert not opaque[row, column]  # free where the words end
        assert opaque[row + 12, column]  # and the image right below
        corners[k] = (row, column)
    assert len(set(corners.values())) == 6
    assert sorted(corners, key=corners.get) == list(range(6))
    assert len({row for row, _ in corners.values()}) == 2


def test_titles_stay_inside_the_figure():
    figure = plot.strip(images(4), titles=[0.123456, 250.0, 500, "a word"])
    figure.canvas.draw()
    frame = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.y1 <= frame.y1
        assert box.x1 <= frame.x1
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.1235", "250", "500", "a word"]


def test_strip_is_one_row_however_long():
    figure = plot.strip(images(51))
    assert figure.get_size_inches()[0] < 9.5
    shape = figure.axes[0].images[0].get_array().shape
    assert shape[1] > 40 * shape[0]


def test_compare_names_its_rows():
    figure = plot.compare(images(6, 28, 28), images(6, 28, 28), titles=("sample", "nearest training image"))
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.texts] == ["sample", "nearest training image"]
    figure.canvas.draw()
    assert min(text.get_window_extent().x0 for text in ax.texts) > 0
    middles = [text.get_position()[1] for text in ax.texts]
    height = ax.images[0].get_array().shape[0]
    assert middles[0] + middles[1] == pytest.approx(height, abs=2)


def test_pictures_draw_on_given_axes():
    _, axes = plt.subplots(1, 3)
    assert plot.grid(images(9), ax=axes[0]) is axes[0]
    assert plot.strip(images(3), titles=[1, 2, 3], ax=axes[1]) is axes[1]
    assert plot.compare(images(3), images(3), ax=axes[2]) is axes[2]
    assert all(len(ax.images) == 1 for ax in axes)
    assert len(plt.get_fignums()) == 1


def test_pictures_refuse_what_is_no_image():
    with pytest.raises(ValueError, match=r"x must be images .*, got shape \(8, 8, 1\); for one image use x\[None\]"):
        plot.grid(images(1)[0])
    with pytest.raises(ValueError, match=r"got shape \(4, 8, 8, 2\)"):
        plot.grid(images(4, c=2))
    with pytest.raises(TypeError, match="from_uint8"):
        plot.grid(np.zeros((1, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="titles must hold 4 entries, one for each image, got 3"):
        plot.grid(images(4), titles=[1, 2, 3])
    with pytest.raises(ValueError, match="all rows must have one shape"):
        plot.compare(images(4), images(3))
    with pytest.raises(ValueError, match="at least one set"):
        plot.compare()


class Straight:
    """alpha = 1 - t, sigma = t."""

    t_max = 1.0

    def alpha(self, t):
        return 1 - np.asarray(t)

    def sigma(self, t):
        return np.asarray(t)


def test_schedule_draws_share_of_noise_and_log_snr():
    figure = plot.schedule({"straight": Straight(), "again": Straight()})
    left, right = figure.axes
    t, share = left.lines[0].get_data()
    assert np.allclose(share, t**2 / (t**2 + (1 - t) ** 2))
    t, ratio = right.lines[0].get_data()
    assert np.isfinite(ratio).all()
    assert np.allclose(ratio, 2 * np.log10((1 - t) / t))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["straight", "again"]
    _, ax = plt.subplots()
    assert plot.schedule(Straight(), ax=ax) is ax


def test_history_draws_loss_held_out_and_bands():
    step = np.arange(1, 101) * 50
    bands = np.linspace(1, 0.1, 100)[:, None] * np.arange(1, 11)
    history = {
        "step": step,
        "loss": 1 / step,
        "validation_loss": np.where(step % 100, np.nan, 2 / step),
        "bands": bands,
    }
    ax = plot.history(history)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(labels) == {"loss", "held out", "little noise", "much noise"}
    assert len(ax.lines) == 10 + 3
    held_out = next(line for line in ax.lines if line.get_label() == "held out")
    assert np.array_equal(held_out.get_xdata(), step[step % 100 == 0])
    assert ax.get_yscale() == "log"


def test_history_with_little_in_it():
    ax = plot.history({"step": [50], "loss": [0.3]})
    ax.figure.canvas.draw()
    assert len(ax.lines) == 2
    assert plot.history({"step": [1, 2], "loss": [-1.0, -2.0]}).get_yscale() == "linear"  # an implicit loss is below 0


def test_trajectory_in_the_plane_draws_count_paths():
    x = np.random.default_rng(0).standard_normal((11, 50, 2)).cumsum(0)
    ax = plot.trajectory(SimpleNamespace(t=np.linspace(1, 0, 11), x=x), count=20)
    paths = ax.collections[0].get_segments()
    assert len(paths) == 20
    assert np.allclose(paths[3], x[:, 3])
    assert isinstance(ax, Axes)
    assert ax.get_aspect() == 1
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert right - left == pytest.approx(top - bottom)
    shaded = plot.trajectory(SimpleNamespace(t=np.linspace(1, 0, 11), x=x), density=True, limits=(-3, 3))
    assert len(shaded.images) == 1
    assert shaded.get_xlim() == (-3, 3)


def test_trajectory_on_the_line_runs_over_time():
    x = np.random.default_rng(0).standard_normal((6, 40, 1))
    t = np.linspace(0, 1, 6)
    ax = plot.trajectory(SimpleNamespace(t=t, x=x), count=5, density=True, limits=(-2, 2))
    lines = ax.collections[-1].get_segments()
    assert len(lines) == 5
    assert np.allclose(lines[2], np.stack([t, x[:, 2, 0]], 1))
    assert ax.get_ylim() == (-2, 2)
    with pytest.raises(ValueError, match=r"path\.x must have shape .* got \(6, 40, 3\)"):
        plot.trajectory(SimpleNamespace(t=t, x=np.zeros((6, 40, 3))))


def test_score_field_points_along_the_score():
    bell = Bell()
    ax = plot.score_field(bell, t=0.1, data=np.zeros((3, 2)), limits=(-2, 2), arrows=9)
    quiver = ax.collections[-1]
    where, arrow = quiver.XY, np.stack([quiver.U, quiver.V], 1)
    assert bell.asked == 0.1
    assert len(where) == 81
    cross = where[:, 0] * arrow[:, 1] - where[:, 1] * arrow[:, 0]
    assert np.abs(cross).max() < 1e-6
    assert ((where * arrow).sum(1) <= 0).all()  # towards the middle
    assert np.hypot(*arrow.T).max() <= 1
    with pytest.raises(TypeError, match=r"needs a model with score\(x_t, t\), which object does not have"):
        plot.score_field(object())


def test_density_is_exp_of_log_prob():
    ax = plot.density(Bell(), limits=((-3, 3), (-2, 2)), resolution=61)
    p = np.asarray(ax.images[0].get_array())
    assert p[30, 30] == pytest.approx(1 / (2 * np.pi), rel=1e-6)
    assert p[30, 40] == pytest.approx(np.exp(-0.5) / (2 * np.pi), rel=1e-5)  # x = 1, y = 0
    assert ax.get_xlim() == (-3, 3)
    assert ax.get_ylim() == (-2, 2)
    with pytest.raises(TypeError, match=r"needs a model with log_prob\(x\) or energy\(x_t, t\)"):
        plot.density(object())
    with pytest.raises(ValueError, match="limits must be"):
        plot.density(Bell(), limits=(3, -3))


class Well:
    """The energy of N(0, 0.5^2) in the plane, up to a constant that depends on t."""

    asked = None

    def energy(self, x, t):
        self.asked = t
        return 2 * (x**2).sum(1) + 7 * (1 if t is None else t)


def test_density_of_an_energy_is_normalised_over_the_picture():
    """Sums of a Gaussian on a lattice of spacing h are right to exp(-2 pi^2 0.5^2 / h^2), here far below rounding."""
    well = Well()
    ax = plot.density(well, limits=((-3, 3), (-2.5, 3)), resolution=61)
    p = np.asarray(ax.images[0].get_array())
    side = [np.linspace(-3, 3, 61), np.linspace(-2.5, 3, 61)]
    r2 = side[0][None] ** 2 + side[1][:, None] ** 2
    assert np.allclose(p, np.exp(-2 * r2) / (np.pi / 2), rtol=1e-5)
    assert well.asked is None
    assert plot.density(well, 0.3, limits=(-3, 3), resolution=5).get_title(loc="left") == "density at t = 0.3"
    assert well.asked == 0.3


def test_density_of_a_model_in_the_units_of_the_data():
    net = sf.MLP(2, widths=(8,), out=1, seed=1)
    shift, scale = np.array([1.0, -1.0]), np.array([0.5, 2.0])
    model = sf.Diffusion(net, sf.schedules.Single(0.1), scale=(shift, scale), prediction="energy")
    p = np.asarray(plot.density(model, resolution=9).images[0].get_array())
    side = np.linspace(-3, 3, 9)
    points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    E = model.energy((points - shift) / scale).astype(np.float64)
    expected = np.exp(-E) / np.exp(-E).sum() / (6 / 8) ** 2
    assert np.allclose(p.ravel(), expected, rtol=1e-4)
    other = sf.Diffusion(sf.MLP(2, widths=(8,), seed=1), sf.schedules.VP())  # has no energy: by log_prob
    q = np.asarray(plot.density(other, 0.5, resolution=3).images[0].get_array())
    nine = points[[0, 4, 8, 36, 40, 44, 72, 76, 80]]
    assert np.allclose(q.ravel(), np.exp(other.log_prob(nine, 0.5, rtol=1e-3, atol=1e-3)), rtol=1e-4)
    assert np.allclose(q.ravel(), np.exp(other.log_prob(nine, 0.5)), rtol=0.05)


def test_animate_writes_points_and_images(tmp_path):
    from PIL import Image

    t = np.linspace(1, 0, 5)
    points = np.random.default_rng(0).standard_normal((5, 30, 2))
    plot.animate(SimpleNamespace(t=t, x=points), limits=(-3, 3)).save(tmp_path / "points.gif", writer="pillow")
    pictures = np.stack([images(4, seed=k) for k in range(5)])
    plot.animate(SimpleNamespace(t=t, x=pictures), columns=2, frames=3).save(tmp_path / "images.gif", writer="pillow")
    with Image.open(tmp_path / "points.gif") as movie:
        assert movie.n_frames >= 5
    with Image.open(tmp_path / "images.gif") as movie:
        assert movie.n_frames >= 3
    with pytest.raises(ValueError, match=r"path\.x must have shape"):
        plot.animate(SimpleNamespace(t=t, x=np.zeros((5, 3))))


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "scorefield\[plot\]"'):
        plot.grid(images(1))


def test_figures_are_returned_and_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("shown"))
    assert isinstance(plot.grid(images(4)), Figure)
    assert isinstance(plot.schedule(Straight()), Figure)
    assert isinstance(plot.density(Bell()), Axes)


def test_convergence_draws_errors_against_calls_on_logarithmic_axes():
    rows = [
        SimpleNamespace(sampler="one", steps=(8, 16), calls=(8, 16), error=(0.1, 0.05)),
        SimpleNamespace(sampler="two", steps=(8, 16), calls=(16, 32), error=(0.02, 0.005)),
    ]
    ax = plot.convergence(rows)
    assert isinstance(ax, Axes)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["'two'"] == [[16, 0.02], [32, 0.005]]
    guides = [line.get_xydata() for line in ax.lines if line.get_linestyle() == ":"]
    slopes = [np.diff(np.log(xy[:, 1]))[0] / np.diff(np.log(xy[:, 0]))[0] for xy in guides]
    assert slopes == pytest.approx([-1, -2, -3, -4])
    assert plot.convergence(rows, against="steps", ax=plt.subplots()[1]).get_xlabel() == "steps of a run"
    with pytest.raises(ValueError, match="against must be 'calls' or 'steps', got 'time'"):
        plot.convergence(rows, against="time")
