#include "common.hpp"
#include "levels.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/model/guidance.hpp"
#include "scorefield/process/clip.hpp"
#include "scorefield/process/differenced.hpp"
#include "scorefield/process/exact_denoiser.hpp"
#include "scorefield/process/prediction.hpp"
#include "scorefield/process/retimed.hpp"

namespace scorefield::bindings {
namespace {

using Doubles = Array<double>;

RowVector<double> row(const Doubles& a) { return Eigen::Map<const RowVector<double>>(a.data(), a.size()); }

std::vector<Index> labels_of(const std::optional<Array<std::int64_t>>& labels) {
  if (!labels) return {};
  return {labels->data(), labels->data() + labels->size()};
}

/// A Python function as denoiser: call(x (n, D), t (n,), first) -> prediction (n, D), all float64; asked in batches,
/// with the lock.
class CallableDenoiser final : public Denoiser {
 public:
  CallableDenoiser(py::object call, Index dimension, std::shared_ptr<Schedule> schedule, const std::string& prediction,
                   Index batch, bool conditioned)
      : call_(kept(std::move(call))),
        dimension_(dimension),
        schedule_(std::move(schedule)),
        prediction_(parse_prediction(prediction)),
        batch_(batch),
        conditioned_(conditioned) {
    require(batch >= 1, "batch_size must be >= 1, got ", batch);
  }
  Index dimension() const override { return dimension_; }
  bool knows_samples() const override { return conditioned_; }

  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override {
    const py::gil_scoped_acquire gil;
    for (Index begin = 0; begin < x.rows(); begin += batch_) {
      const Index n = std::min(batch_, x.rows() - begin);
      Doubles part = fresh<double>({n, dimension_}), times = fresh<double>({n});
      writable(part) = x.middleRows(begin, n);
      for (Index i = 0; i < n; ++i) times.mutable_at(i) = level(t, begin + i).t;
      const auto y = py::cast<Doubles>((*call_)(part, times, first + begin));
      require(y.size() == n * dimension_, "the wrapped callable must return ", n * dimension_, " numbers, got ",
              y.size());
      for (Index i = 0; i < n; ++i) {
        const Level& p = level(t, begin + i);
        const ToX0 c = to_x0(prediction_, p, schedule_->rates(p.t), schedule_->sigma_data());
        x0.row(begin + i) = c.x * x.row(begin + i) + c.y * view(y).row(i);
      }
    }
  }

 private:
  std::shared_ptr<py::object> call_;
  Index dimension_;
  std::shared_ptr<Schedule> schedule_;
  Prediction prediction_;
  Index batch_;
  bool conditioned_;
};

Doubles denoise(const Denoiser& self, const Schedule& schedule, const Doubles& x, const Doubles& t, Index start) {
  Doubles x0 = fresh<double>({x.shape(0), x.shape(1)});
  OutMap<double> out = writable(x0);
  const py::gil_scoped_release nogil;
  self.denoise(view(x), levels(schedule, t), start, out);
  return x0;
}

Doubles score(const Denoiser& self, const Schedule& schedule, const Doubles& x, const Doubles& t, Index start) {
  Doubles s = fresh<double>({x.shape(0), x.shape(1)});
  OutMap<double> out = writable(s);
  const py::gil_scoped_release nogil;
  self.score(view(x), levels(schedule, t), start, out);
  return s;
}

Doubles pullback(const SmoothDenoiser& self, const Schedule& schedule, const Doubles& x, const Doubles& t,
                 const Doubles& dx0, Index start) {
  Doubles dx = fresh<double>({x.shape(0), x.shape(1)});
  OutMap<double> out = writable(dx);
  const py::gil_scoped_release nogil;
  Matrix<double> x0(x.shape(0), x.shape(1));
  self.pullback(view(x), levels(schedule, t), start, view(dx0), x0, out);
  return dx;
}

Doubles draw(const Mixture& self, Index n, std::uint64_t seed, Index start) {
  Doubles x = fresh<double>({n, self.dimension()});
  OutMap<double> out = writable(x);
  const py::gil_scoped_release nogil;
  self.sample(Noise(seed, Stream::dataset, 0, start), out);
  return x;
}

void register_mixture(py::module_& m) {
  py::class_<Mixture, std::shared_ptr<Mixture>>(m, "Mixture")
      .def(py::init([](const Doubles& means, const Doubles& variances, const std::vector<double>& weights) {
             return std::make_shared<Mixture>(view(means), view(variances), weights);
           }),
           py::arg("means").noconvert(), py::arg("variances").noconvert(), py::arg("weights"))
      .def_static(
          "full",
          [](const Doubles& means, const Doubles& covs, const std::vector<double>& weights) {
            return std::make_shared<Mixture>(Mixture::full(view(means), view(covs), weights));
          },
          py::arg("means").noconvert(), py::arg("covs").noconvert(), py::arg("weights"))
      .def("sample", &draw, py::arg("n"), py::arg("seed"), py::arg("start"))
      .def(
          "log_density",
          [](const Mixture& self, const Doubles& x) {
            Doubles out = fresh<double>({x.shape(0)});
            OutMap<double> to = writable(out);
            const py::gil_scoped_release nogil;
            const Level data{};
            to = self.log_density(view(x), {&data, 1});
            return out;
          },
          py::arg("x").noconvert())
      .def(
          "posterior",
          [](const Mixture& self, const Doubles& x) {
            Doubles out = fresh<double>({x.shape(0), self.components()});
            OutMap<double> to = writable(out);
            const py::gil_scoped_release nogil;
            const Level data{};
            to = self.posterior(view(x), {&data, 1});
            return out;
          },
          py::arg("x").noconvert());
}

}  // namespace

void register_denoiser(py::module_& m) {
  register_mixture(m);
  py::class_<Denoiser, std::shared_ptr<Denoiser>>(m, "Denoiser")
      .def_property_readonly("dimension", &Denoiser::dimension)
      .def("denoise", &denoise, py::arg("schedule"), py::arg("x").noconvert(), py::arg("t").noconvert(),
           py::arg("start"))
      .def("score", &score, py::arg("schedule"), py::arg("x").noconvert(), py::arg("t").noconvert(), py::arg("start"));
  py::class_<SmoothDenoiser, Denoiser, std::shared_ptr<SmoothDenoiser>>(m, "SmoothDenoiser")
      .def("pullback", &pullback, py::arg("schedule"), py::arg("x").noconvert(), py::arg("t").noconvert(),
           py::arg("dx0").noconvert(), py::arg("start"));
  py::class_<ExactDenoiser, SmoothDenoiser, std::shared_ptr<ExactDenoiser>>(m, "ExactDenoiser")
      .def(py::init([](const Mixture& mixture, const std::optional<Array<std::int64_t>>& labels, Index start) {
             return std::make_shared<ExactDenoiser>(mixture, labels_of(labels), start);
           }),
           py::arg("mixture"), py::arg("labels").noconvert(), py::arg("start"));
  py::class_<CallableDenoiser, Denoiser, std::shared_ptr<CallableDenoiser>>(m, "CallableDenoiser")
      .def(py::init<py::object, Index, std::shared_ptr<Schedule>, const std::string&, Index, bool>(), py::arg("call"),
           py::arg("dimension"), py::arg("schedule"), py::arg("prediction"), py::arg("batch_size"),
           py::arg("conditioned") = true);
  py::class_<Differenced, SmoothDenoiser, std::shared_ptr<Differenced>>(m, "Differenced")
      .def(py::init([](std::shared_ptr<Denoiser> inner, double step) {
             return std::make_shared<Differenced>(std::move(inner), step);
           }),
           py::arg("inner"), py::arg("step"));
  py::class_<Clipped, Denoiser, std::shared_ptr<Clipped>>(m, "Clipped")
      .def(py::init([](std::shared_ptr<Denoiser> inner, const Doubles& low, const Doubles& high) {
             return std::make_shared<Clipped>(std::move(inner), row(low), row(high));
           }),
           py::arg("inner"), py::arg("low").noconvert(), py::arg("high").noconvert());
  py::class_<DynamicThreshold, Denoiser, std::shared_ptr<DynamicThreshold>>(m, "DynamicThreshold")
      .def(py::init([](std::shared_ptr<Denoiser> inner, const Doubles& shift, const Doubles& scale, double quantile,
                       double largest) {
             return std::make_shared<DynamicThreshold>(std::move(inner), row(shift), row(scale), quantile, largest);
           }),
           py::arg("inner"), py::arg("shift").noconvert(), py::arg("scale").noconvert(), py::arg("quantile"),
           py::arg("largest"));
  py::class_<Retimed, Denoiser, std::shared_ptr<Retimed>>(m, "Retimed")
      .def(py::init<std::shared_ptr<Denoiser>, std::vector<double>, std::vector<double>>(), py::arg("inner"),
           py::arg("times"), py::arg("told"));
  py::class_<ClassifierFree, Denoiser, std::shared_ptr<ClassifierFree>>(m, "ClassifierFree")
      .def(py::init([](std::shared_ptr<Denoiser> conditional, std::shared_ptr<Denoiser> unconditional, double w,
                       double rescale, double low, double high) {
             return std::make_shared<ClassifierFree>(std::move(conditional), std::move(unconditional), w, rescale,
                                                     ClassifierFree::Interval{low, high});
           }),
           py::arg("conditional"), py::arg("unconditional"), py::arg("w"), py::arg("rescale"), py::arg("low"),
           py::arg("high"));
}

}  // namespace scorefield::bindings
