#pragma once
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <type_traits>

#include "scorefield/base/interrupt.hpp"
#include "scorefield/base/matrix.hpp"
#include "scorefield/base/parallel.hpp"

/// What every binding file shares. The Python layer hands over checked, C-contiguous arrays of the exact type; here
/// they become views. Arguments are declared `py::arg(...).noconvert()`, so a slip in the Python layer is a TypeError,
/// never a silent copy.
namespace scorefield::bindings {

namespace py = pybind11;

template <class S>
using Array = py::array_t<S, py::array::c_style>;

/// View of an array as (rows, everything else); a 1-D array is a column.
template <class S>
InMap<S> view(const Array<S>& a) {
  const Index rows = a.ndim() == 0 ? 1 : a.shape(0);
  return {a.data(), rows, rows == 0 ? 0 : a.size() / rows};
}
template <class S>
OutMap<S> writable(Array<S>& a) {
  const Index rows = a.ndim() == 0 ? 1 : a.shape(0);
  return {a.mutable_data(), rows, rows == 0 ? 0 : a.size() / rows};
}

/// A fresh array that owns its memory.
template <class S>
Array<S> fresh(std::vector<py::ssize_t> shape) {
  return Array<S>(std::move(shape));
}
/// The values in a fresh array of one axis; large ones are copied by all threads, each of which faults in its pages.
template <class S>
Array<std::remove_const_t<S>> copied(std::span<S> values) {
  constexpr Index block = 1 << 18;
  auto out = fresh<std::remove_const_t<S>>({static_cast<py::ssize_t>(values.size())});
  auto* const to = out.mutable_data();
  parallel_blocks(static_cast<Index>(values.size()), block,
                  [&](Index begin, Index end) { std::copy(values.begin() + begin, values.begin() + end, to + begin); });
  return out;
}

/// Asks Python for pending signals, at most every 20 ms; throws what a handler raised. The calling thread holds no lock
/// when the core polls.
inline Poll signal_poll() {
  using Clock = std::chrono::steady_clock;
  const auto last = std::make_shared<std::atomic<Clock::rep>>(0);
  return [last] {
    const Clock::rep now = Clock::now().time_since_epoch().count();
    if (Clock::duration(now - last->load(std::memory_order_relaxed)) < std::chrono::milliseconds(20)) return;
    last->store(now, std::memory_order_relaxed);
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  };
}

/// Keeps a Python object alive from C++; its last owner may let go of it without holding the lock.
inline std::shared_ptr<py::object> kept(py::object object) {
  return {new py::object(std::move(object)), [](py::object* p) {
            const py::gil_scoped_acquire gil;
            delete p;
          }};
}

void register_base(py::module_& m);
void register_schedule(py::module_& m);
void register_process(py::module_& m);
void register_denoiser(py::module_& m);
void register_sample(py::module_& m);
void register_nn(py::module_& m);
void register_optim(py::module_& m);
void register_train(py::module_& m);
void register_likelihood(py::module_& m);
void register_model(py::module_& m);
void register_metrics(py::module_& m);
void register_datasets(py::module_& m);

}  // namespace scorefield::bindings
