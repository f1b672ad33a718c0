#include <cmath>
#include <optional>

#include "common.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/base/incomplete_beta.hpp"
#include "scorefield/schedule/betas.hpp"
#include "scorefield/schedule/custom.hpp"
#include "scorefield/schedule/discrete_ve.hpp"
#include "scorefield/schedule/discrete_vp.hpp"
#include "scorefield/schedule/edm.hpp"
#include "scorefield/schedule/ladder.hpp"
#include "scorefield/schedule/rectified_flow.hpp"
#include "scorefield/schedule/single.hpp"
#include "scorefield/schedule/sub_vp.hpp"
#include "scorefield/schedule/time_grid.hpp"
#include "scorefield/schedule/ve.hpp"
#include "scorefield/schedule/vp.hpp"

namespace scorefield::bindings {
namespace {

/// A schedule written in Python: an object with alpha(t) and sigma(t). Takes the interpreter's lock for every number.
class PythonSchedule final : public CustomSchedule {
 public:
  PythonSchedule(py::object object, double t_min, double t_max, Index steps, bool exploding, double sigma_data)
      : object_(std::move(object)),
        t_min_(t_min),
        t_max_(t_max),
        steps_(steps),
        exploding_(exploding),
        sigma_data_(sigma_data) {}
  PythonSchedule(const PythonSchedule&) = delete;
  PythonSchedule& operator=(const PythonSchedule&) = delete;
  ~PythonSchedule() override {
    const py::gil_scoped_acquire gil;
    object_ = py::object();
  }

  double alpha(double t) const override { return call("alpha", t); }
  double sigma(double t) const override { return call("sigma", t); }
  double t_min() const override { return t_min_; }
  double t_max() const override { return t_max_; }
  Index steps() const override { return steps_; }
  bool exploding() const override { return exploding_; }
  double sigma_data() const override { return sigma_data_; }
  bool serial() const override { return true; }

 private:
  double call(const char* name, double t) const {
    const py::gil_scoped_acquire gil;
    const double value = py::float_(object_.attr(name)(t));
    require(std::isfinite(value) && value >= 0, "a schedule's ", name, "(t) must be finite and >= 0, got ", value,
            " at t = ", t);
    return value;
  }
  py::object object_;
  double t_min_, t_max_;
  Index steps_;
  bool exploding_;
  double sigma_data_;
};

/// The array of f(schedule, t) for an array of times.
template <class F>
auto each(F f) {
  return [f](const Schedule& schedule, const Array<double>& t) {
    Array<double> out(std::vector<py::ssize_t>(t.shape(), t.shape() + t.ndim()));
    std::optional<py::gil_scoped_release> nogil;
    if (!schedule.serial()) nogil.emplace();
    for (Index i = 0; i < t.size(); ++i) out.mutable_data()[i] = f(schedule, t.data()[i]);
    return out;
  };
}

void register_class(py::module_& m) {
  const auto t = [] { return py::arg("t").noconvert(); };
  py::class_<Schedule, std::shared_ptr<Schedule>>(m, "Schedule")
      .def_property_readonly("t_min", &Schedule::t_min)
      .def_property_readonly("t_max", &Schedule::t_max)
      .def_property_readonly("steps", &Schedule::steps)
      .def_property_readonly("exploding", &Schedule::exploding)
      .def_property_readonly("single", &Schedule::single)
      .def_property_readonly("sigma_data", &Schedule::sigma_data)
      .def_property_readonly("serial", &Schedule::serial)
      .def("alpha", each([](const Schedule& s, double u) { return s.at(u).alpha; }), t())
      .def("sigma", each([](const Schedule& s, double u) { return s.at(u).sigma; }), t())
      .def("alpha_rate", each([](const Schedule& s, double u) { return s.rates(u).alpha; }), t())
      .def("sigma_rate", each([](const Schedule& s, double u) { return s.rates(u).sigma; }), t())
      .def("alpha_bar", each([](const Schedule& s, double u) { return std::pow(s.at(u).alpha, 2); }), t())
      .def("snr", each([](const Schedule& s, double u) { return std::exp(2 * s.at(u).half_log_snr()); }), t())
      .def("log_snr", each([](const Schedule& s, double u) { return 2 * s.at(u).half_log_snr(); }), t())
      .def("half_log_snr", each([](const Schedule& s, double u) { return s.at(u).half_log_snr(); }), t())
      .def("beta", each([](const Schedule& s, double u) { return beta(s, u); }), t())
      .def("f", each([](const Schedule& s, double u) { return s.f(u); }), t())
      .def("g2", each([](const Schedule& s, double u) { return s.g2(u); }), t())
      .def("time_of_half_log_snr", each([](const Schedule& s, double l) { return s.time_of_half_log_snr(l); }),
           py::arg("l").noconvert());
  py::class_<PythonSchedule, Schedule, std::shared_ptr<PythonSchedule>>(m, "PythonSchedule")
      .def(py::init<py::object, double, double, Index, bool, double>(), py::arg("schedule"), py::arg("t_min"),
           py::arg("t_max"), py::arg("steps"), py::arg("exploding"), py::arg("sigma_data"));
}

using Made = std::shared_ptr<Schedule>;

template <class S, class... Arguments>
void maker(py::module_& m, const char* name) {
  m.def(name, [](Arguments... arguments) -> Made { return std::make_shared<S>(arguments...); });
}

void register_makers(py::module_& m) {
  const auto vp = [](const std::vector<double>& table) -> Made {
    return std::make_shared<DiscreteVp>(DiscreteVp::of_betas(table));
  };
  m.def("betas", vp);
  m.def("alpha_bars", [](const std::vector<double>& table) -> Made {
    return std::make_shared<DiscreteVp>(DiscreteVp::of_alpha_bars(table));
  });
  m.def("sigmas", [](const std::vector<double>& table) -> Made { return std::make_shared<DiscreteVe>(table); });
  m.def("linear", [vp](Index T, double low, double high) { return vp(betas::linear(T, low, high)); });
  m.def("scaled_linear", [vp](Index T, double low, double high) { return vp(betas::scaled_linear(T, low, high)); });
  m.def("cosine", [vp](Index T, double s, double clip) { return vp(betas::cosine(T, s, clip)); });
  m.def("sigmoid",
        [vp](Index T, double start, double end, double tau) { return vp(betas::sigmoid(T, start, end, tau)); });
  m.def("geometric", [](Index T, double low, double high) -> Made {
    return std::make_shared<DiscreteVe>(geometric_sigmas(T, low, high));
  });
  m.def("zero_terminal_snr", &zero_terminal_snr);
  m.def("ladder_levels", [](Index D, double sigma_min, double sigma_max) {
    return ladder::levels(sigma_min, sigma_max, ladder::ratio(D));
  });
  m.def("ladder_step_size", &ladder::step_size, py::arg("ratio"), py::arg("inner"));
  maker<Vp, double, double>(m, "vp");
  maker<SubVp, double, double>(m, "sub_vp");
  maker<Ve, double, double>(m, "ve");
  maker<Edm, double, double, double>(m, "edm");
  maker<RectifiedFlow, double>(m, "rectified_flow");
  maker<Single, double>(m, "single");
}

/// A time grid as an array.
template <class... Arguments>
void grid(py::module_& m, const char* name, std::vector<double> (*make)(const Schedule&, Index, Arguments...)) {
  m.def(name, [make](const Schedule& schedule, Index steps, Arguments... arguments) {
    const std::vector<double> times = make(schedule, steps, arguments...);
    return py::array_t<double>(static_cast<py::ssize_t>(times.size()), times.data());
  });
}

void register_grids(py::module_& m) {
  m.attr("least_signal") = grids::least_signal;
  grid(m, "trailing", &grids::trailing);
  grid(m, "leading", &grids::leading);
  grid(m, "linspace", &grids::linspace);
  grid(m, "quadratic", &grids::quadratic);
  grid(m, "log_snr", &grids::log_snr);
  grid(m, "karras", &grids::karras);
  grid(m, "poly_exponential", &grids::poly_exponential);
  grid(m, "beta", &grids::beta);
  m.def("beta_quantile", &incomplete_beta_inverse, py::arg("alpha"), py::arg("beta"), py::arg("p"));
  m.def("require_falling",
        [](const Schedule& schedule, const std::vector<double>& times) { grids::require_falling(schedule, times); });
}

}  // namespace

void register_schedule(py::module_& m) {
  register_class(m);
  py::module_ makers = m.def_submodule("schedules");
  register_makers(makers);
  py::module_ grid_functions = m.def_submodule("grids");
  register_grids(grid_functions);
}

}  // namespace scorefield::bindings
