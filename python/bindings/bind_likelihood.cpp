#include "common.hpp"
#include "levels.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/likelihood/bound.hpp"
#include "scorefield/likelihood/dequantise.hpp"
#include "scorefield/likelihood/log_density.hpp"

namespace scorefield::bindings {
namespace {

using Doubles = Array<double>;

Doubles column(const Eigen::VectorXd& v) { return copied(std::span(v.data(), static_cast<std::size_t>(v.size()))); }

Doubles copy(In<double> x) {
  Doubles out = fresh<double>({x.rows(), x.cols()});
  writable(out) = x;
  return out;
}

Divergence::Kind parse_kind(const std::string& name) {
  if (name == "exact") return Divergence::Kind::exact;
  require(name == "rademacher" || name == "gaussian", "divergence must be exact, rademacher or gaussian, got ", name);
  return name == "gaussian" ? Divergence::Kind::gaussian : Divergence::Kind::rademacher;
}

/// (end (n, D), change (n,), evaluations) from t (n,) or (1,) to time `to`.
py::tuple carry(const SmoothDenoiser& denoiser, const Schedule& schedule, const Doubles& x, const Doubles& t, double to,
                const std::string& divergence, Index probes, std::uint64_t seed, double rtol, double atol,
                FlowForm form, Index first) {
  Transport out;
  {
    const InMap<double> rows = view(x);
    const py::gil_scoped_release nogil;
    const Interrupt interrupt(signal_poll());
    const auto flow = make_flow(form, schedule);
    out =
        transport(*flow, denoiser, levels(schedule, t), schedule.at(to),
                  {parse_kind(divergence), probes, Noise(seed, Stream::probe)}, {rtol, atol}, first, rows, &interrupt);
  }
  return py::make_tuple(copy(out.end), column(out.change), out.work.evaluations);
}

std::optional<GreyLevels> grey_levels(const std::optional<Doubles>& bounds) {
  if (!bounds) return std::nullopt;
  const InMap<double> b = view(*bounds);
  return GreyLevels{b.row(0), b.row(1), b.row(2)};
}

/// (prior (n,), terms (n, K), decoder (n,)); times rising from 0, or none: the continuous bound in `strata` parts.
py::tuple bound(const Denoiser& denoiser, const Schedule& schedule, const Doubles& x0,
                const std::optional<Doubles>& times, Index strata, ReverseVariance variance,
                const std::optional<Doubles>& grey, std::uint64_t seed, Index first) {
  Bound out;
  {
    const InMap<double> rows = view(x0);
    const std::optional<GreyLevels> on = grey_levels(grey);
    const py::gil_scoped_release nogil;
    const Interrupt interrupt(signal_poll());
    const BoundRun run{Noise(seed, Stream::evaluate), first, &interrupt};
    if (times) {
      const std::span<const double> grid{times->data(), static_cast<std::size_t>(times->size())};
      out = discrete_bound(denoiser, schedule, grid, variance, on, rows, run);
    } else {
      out = continuous_bound(denoiser, schedule, strata, on, rows, run);
    }
  }
  return py::make_tuple(column(out.prior), copy(out.terms), column(out.decoder));
}

}  // namespace

void register_likelihood(py::module_& m) {
  py::enum_<ReverseVariance>(m, "ReverseVariance")
      .value("beta_tilde", ReverseVariance::beta_tilde)
      .value("beta", ReverseVariance::beta)
      .value("learned", ReverseVariance::learned);
  m.def("transport", &carry, py::arg("denoiser"), py::arg("schedule"), py::arg("x").noconvert(),
        py::arg("t").noconvert(), py::arg("to"), py::arg("divergence"), py::arg("probes"), py::arg("seed"),
        py::arg("rtol"), py::arg("atol"), py::arg("form"), py::arg("first") = 0);
  m.def(
      "log_prior", [](const Doubles& x, double sigma) { return column(log_prior(view(x), sigma)); },
      py::arg("x").noconvert(), py::arg("sigma"));
  m.def(
      "dequantise",
      [](const Doubles& x, double half, std::uint64_t seed, Index first) {
        Doubles out = copy(view(x));
        dequantise(half, Noise(seed, Stream::dequantise, 0, first), writable(out));
        return out;
      },
      py::arg("x").noconvert(), py::arg("half"), py::arg("seed"), py::arg("first") = 0);
  m.def("variational_bound", &bound, py::arg("denoiser"), py::arg("schedule"), py::arg("x0").noconvert(),
        py::arg("times").noconvert(), py::arg("strata"), py::arg("variance"), py::arg("grey").noconvert(),
        py::arg("seed"), py::arg("first") = 0);
}

}  // namespace scorefield::bindings
