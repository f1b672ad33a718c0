#include <optional>

#include "common.hpp"
#include "levels.hpp"
#include "scorefield/process/forward.hpp"
#include "scorefield/process/precondition.hpp"
#include "scorefield/process/prediction.hpp"
#include "scorefield/process/time_sampler.hpp"
#include "scorefield/process/weighting.hpp"

namespace scorefield::bindings {
namespace {

using Times1D = Array<double>;

template <class S>
Array<S> like(const Array<S>& a) {
  return fresh<S>({a.shape(), a.shape() + a.ndim()});
}

/// All arrays have the shape of x0; t holds one time or one per row. The Python layer has checked both.
template <class S>
Array<S> add_noise(const Schedule& schedule, const Array<S>& x0, const Times1D& t, const Array<S>& eps) {
  Array<S> x_t = like(x0);
  const std::vector<Level> p = levels(schedule, t);
  const InMap<S> clean = view(x0), noise = view(eps);
  OutMap<S> out = writable(x_t);
  const py::gil_scoped_release nogil;
  scorefield::add_noise<S>(clean, p, noise, out);
  return x_t;
}

/// path: (times, *x0.shape)
template <class S>
Array<S> forward(const Schedule& schedule, const Array<S>& x0, const Times1D& times, std::uint64_t seed) {
  std::vector<py::ssize_t> shape{times.size()};
  shape.insert(shape.end(), x0.shape(), x0.shape() + x0.ndim());
  Array<S> path = fresh<S>(shape);
  const InMap<S> clean = view(x0);
  OutMap<S> out(path.mutable_data(), times.size() * clean.rows(), clean.cols());
  const std::span<const double> grid(times.data(), static_cast<std::size_t>(times.size()));
  std::optional<py::gil_scoped_release> nogil;
  if (!schedule.serial()) nogil.emplace();
  forward_chain<S>(schedule, grid, clean, Noise(seed, Stream::forward), out);
  return path;
}

/// (mean, variance per time)
template <class S>
std::pair<Array<S>, Array<double>> posterior(const Schedule& schedule, const Array<S>& x_t, const Array<S>& x0,
                                             const Times1D& t, const Times1D& s) {
  Array<S> mean = like(x_t);
  Array<double> variance = like(t);
  std::vector<Posterior> q;
  for (Index i = 0; i < t.size(); ++i) {
    q.push_back(scorefield::posterior(schedule.at(s.data()[i]), schedule.at(t.data()[i])));
    variance.mutable_data()[i] = q.back().variance;
  }
  const InMap<S> noisy = view(x_t), clean = view(x0);
  OutMap<S> out = writable(mean);
  {
    const py::gil_scoped_release nogil;  // not when the pair is made: that counts references
    posterior_mean<S>(noisy, clean, q, out);
  }
  return {mean, variance};
}

template <class S>
Array<S> convert(const Array<S>& value, const Array<S>& x_t, const Times1D& t, const Schedule& schedule,
                 const std::string& source, const std::string& goal) {
  Array<S> out = like(value);
  const Prediction from = parse_prediction(source), to = parse_prediction(goal);
  const bool flow = from == Prediction::flow || to == Prediction::flow;  // nothing else is made of rates
  std::vector<Conversion> c;
  for (Index i = 0; i < t.size(); ++i) {
    const double u = t.data()[i];
    c.push_back(conversion(from, to, schedule.at(u), flow ? schedule.rates(u) : Rates{}, schedule.sigma_data()));
  }
  const InMap<S> y = view(value), noisy = view(x_t);
  OutMap<S> result = writable(out);
  const py::gil_scoped_release nogil;
  scorefield::convert<S>(y, noisy, c, result);
  return out;
}

template <class S>
void register_arrays(py::module_& m) {
  const auto array = [](const char* name) { return py::arg(name).noconvert(); };
  m.def("add_noise", &add_noise<S>, py::arg("schedule"), array("x0"), array("t"), array("eps"));
  m.def("forward", &forward<S>, py::arg("schedule"), array("x0"), array("times"), py::arg("seed"));
  m.def("posterior", &posterior<S>, py::arg("schedule"), array("x_t"), array("x0"), array("t"), array("s"));
  m.def("convert", &convert<S>, array("value"), array("x_t"), array("t"), py::arg("schedule"), py::arg("source"),
        py::arg("target"));
}

template <class F>
Array<double> map(const Times1D& t, const F& f) {
  Array<double> out = like(t);
  for (Index i = 0; i < t.size(); ++i) out.mutable_data()[i] = f(t.data()[i]);
  return out;
}

void register_scalars(py::module_& m) {
  m.def("c_noise", [](const Schedule& schedule, const Times1D& t) {
    return map(t, [&](double u) { return c_noise(schedule, u); });
  });
  m.def("c_in", [](const Schedule& schedule, const Times1D& t) {
    return map(t, [&](double u) { return c_in(schedule, schedule.at(u)); });
  });
  m.def("loss_weight",
        [](const std::string& weight, const std::string& prediction, const Schedule& schedule, const Times1D& t) {
          const Weight w = parse_weight(weight);
          const Prediction kind = parse_prediction(prediction);
          return map(t, [&](double u) { return loss_weight(w, kind, schedule, u); });
        });
  m.def("require_serves", [](const std::string& prediction, const Schedule& schedule) {
    require_serves(parse_prediction(prediction), schedule);
  });
}

std::span<const double> span(const Array<double>& a) { return {a.data(), static_cast<std::size_t>(a.size())}; }

void register_times(py::module_& m) {
  py::class_<TimeSampler, std::shared_ptr<TimeSampler>>(m, "TimeSampler")
      .def(py::init([](const std::string& name, std::shared_ptr<Schedule> schedule) {
             return std::shared_ptr<TimeSampler>(make_time_sampler(parse_times(name), std::move(schedule)));
           }),
           py::arg("times"), py::arg("schedule"))
      .def(
          "draw",
          [](const TimeSampler& sampler, std::uint64_t seed, std::uint32_t step, py::ssize_t n) {
            Array<double> t = fresh<double>({n}), weight = fresh<double>({n});
            const auto size = static_cast<std::size_t>(n);
            sampler.draw(Noise(seed, Stream::training_time, step), {t.mutable_data(), size},
                         {weight.mutable_data(), size});
            return std::pair(t, weight);
          },
          py::arg("seed"), py::arg("step"), py::arg("n"))
      .def("observe", [](TimeSampler& sampler, const Array<double>& t,
                         const Array<double>& loss) { sampler.observe(span(t), span(loss)); })
      .def("state", &TimeSampler::state)
      .def("restore", &TimeSampler::restore, py::arg("state"));
}

}  // namespace

void register_process(py::module_& m) {
  register_arrays<float>(m);
  register_arrays<double>(m);
  register_scalars(m);
  register_times(m);
}

}  // namespace scorefield::bindings
