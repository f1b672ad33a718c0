#include "common.hpp"
#include "scorefield/metrics/diameter.hpp"
#include "scorefield/metrics/energy_distance.hpp"
#include "scorefield/metrics/frechet.hpp"
#include "scorefield/metrics/mmd.hpp"
#include "scorefield/metrics/nearest.hpp"
#include "scorefield/metrics/sliced_wasserstein.hpp"

namespace scorefield::bindings {
namespace {

using Sample = const Array<float>&;

double energy_distance(Sample a, Sample b) {
  const InMap<float> x = view(a), y = view(b);
  const py::gil_scoped_release nogil;
  return metrics::energy_distance(x, y, signal_poll());
}

double diameter(Sample x, Index most) {
  const InMap<float> rows = view(x);
  const py::gil_scoped_release nogil;
  return metrics::diameter(rows, most, signal_poll());
}

double mmd(Sample a, Sample b, double bandwidth) {
  const InMap<float> x = view(a), y = view(b);
  const py::gil_scoped_release nogil;
  return metrics::mmd(x, y, bandwidth, signal_poll());
}

double sliced_wasserstein(Sample a, Sample b, Index projections, std::uint64_t seed) {
  const InMap<float> x = view(a), y = view(b);
  const py::gil_scoped_release nogil;
  return metrics::sliced_wasserstein(x, y, projections, seed, signal_poll());
}

double frechet(Sample a, Sample b) {
  const InMap<float> x = view(a), y = view(b);
  const py::gil_scoped_release nogil;
  return metrics::frechet(x, y, signal_poll());
}

double precision(Sample a, Sample reference, Index k) {
  const InMap<float> x = view(a), y = view(reference);
  const py::gil_scoped_release nogil;
  return metrics::precision(x, y, k, signal_poll());
}

py::tuple nearest(Sample a, Sample to, Index k, bool same) {
  const InMap<float> x = view(a), y = view(to);
  metrics::Neighbours found;
  {
    const py::gil_scoped_release nogil;
    found = metrics::nearest(x, y, k, same, signal_poll());
  }
  Array<std::int64_t> index = fresh<std::int64_t>({x.rows(), k});
  Array<double> distance = fresh<double>({x.rows(), k});
  writable(index) = found.index.cast<std::int64_t>();
  writable(distance) = found.distance;
  return py::make_tuple(index, distance);
}

}  // namespace

void register_metrics(py::module_& m) {
  const auto a = py::arg("a").noconvert(), b = py::arg("b").noconvert();
  m.def("energy_distance", &energy_distance, a, b);
  m.def("diameter", &diameter, py::arg("x").noconvert(), py::arg("most"));
  m.def("mmd", &mmd, a, b, py::arg("bandwidth"));
  m.def("sliced_wasserstein", &sliced_wasserstein, a, b, py::arg("projections"), py::arg("seed"));
  m.def("frechet", &frechet, a, b);
  m.def("precision", &precision, a, py::arg("reference").noconvert(), py::arg("k"));
  m.def("nearest", &nearest, a, py::arg("to").noconvert(), py::arg("k"), py::arg("same"));
}

}  // namespace scorefield::bindings
