#include "scorefield/process/prediction.hpp"

#include <array>
#include <cmath>
#include <string>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

constexpr std::array<std::string_view, 7> names{"x0", "eps", "score", "v", "flow", "edm", "energy"};

void require_signal(Prediction kind, const Level& t) {
  require(t.alpha > 0, "alpha is 0 at t = ", t.t, ", so x0 cannot be found from ", name(kind),
          "; use prediction=\"v\" or \"x0\"");
}
void require_noise(Prediction from, std::string_view what, const Level& t) {
  require(t.sigma > 0, "sigma is 0 at t = ", t.t, ", so ", what, " cannot be found from ", name(from),
          "; ask at a time t > 0, or keep eps or v, which hold the noise");
}

}  // namespace

Prediction parse_prediction(std::string_view word) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == word) return static_cast<Prediction>(i);
  }
  require(false, "unknown prediction '", word, "'; known: x0, eps, score, v, flow, edm, energy");
  return Prediction::x0;
}

std::string_view name(Prediction kind) { return names[static_cast<std::size_t>(kind)]; }

Target target(Prediction kind, const Level& t, const Rates& rates, double s_d) {
  switch (kind) {
    case Prediction::x0: return {1, 0};
    case Prediction::eps: return {0, 1};
    case Prediction::v: return {-t.sigma, t.alpha};
    case Prediction::score:
    case Prediction::energy:
      require(t.sigma > 0, "sigma is 0 at t = ", t.t, ", where the ", name(kind),
              " of noised data does not exist; ask at a time t > 0");
      return {0, (kind == Prediction::score ? -1 : 1) / t.sigma};
    case Prediction::flow:
      require(std::isfinite(rates.alpha) && std::isfinite(rates.sigma), "the flow velocity is infinite at t = ", t.t,
              " on this schedule; use prediction=\"v\" or \"x0\", or another time");
      return {rates.alpha, rates.sigma};
    case Prediction::edm: {
      require(t.alpha == 1, "prediction=\"edm\" needs alpha = 1 at every time, but alpha is ", t.alpha, " at t = ", t.t,
              "; use EDM, VE, Geometric or Table(sigmas=...), or prediction=\"v\"");
      const double norm = std::hypot(t.sigma, s_d);
      return {t.sigma / s_d / norm, -s_d / norm};
    }
  }
  return {};
}

ToX0 to_x0(Prediction kind, const Level& t, const Rates& rates, double s_d) {
  if (kind == Prediction::x0) return {0, 1};
  if (kind == Prediction::eps || kind == Prediction::score || kind == Prediction::energy) require_signal(kind, t);
  if (kind == Prediction::score) return {1 / t.alpha, t.sigma * t.sigma / t.alpha};  // (13), also at sigma = 0
  if (kind == Prediction::energy) return {1 / t.alpha, -t.sigma * t.sigma / t.alpha};
  if (kind == Prediction::flow && t.sigma == 0 && t.alpha > 0)
    return {1 / t.alpha, 0};  // the limit, also of infinite sigma'
  const auto [a, b] = target(kind, t, rates, s_d);
  const double d = t.alpha * b - t.sigma * a;
  return {b / d, -t.sigma / d};
}

ToEps to_eps(Prediction kind, const Level& t, const Rates& rates, double s_d) {
  if (kind == Prediction::eps) return {0, 1};
  if (kind == Prediction::score) return {0, -t.sigma};
  if (kind == Prediction::energy) return {0, t.sigma};
  if (kind == Prediction::x0) require_noise(kind, "the noise", t);
  const auto [a, b] = target(kind, t, rates, s_d);
  const double d = t.alpha * b - t.sigma * a;
  require(d != 0, "the noise cannot be found from ", name(kind), " at t = ", t.t, "; ask at another time");
  return {-a / d, t.alpha / d};
}

Conversion conversion(Prediction source, Prediction goal, const Level& t, const Rates& rates, double s_d) {
  if (source == goal) return {0, 1};
  if (goal == Prediction::score) require_noise(source, "the score", t);
  const auto [a, b] = target(goal, t, rates, s_d);
  Conversion c{0, 0};
  if (a != 0) {
    const ToX0 x0 = to_x0(source, t, rates, s_d);
    c = {a * x0.x, a * x0.y};
  }
  if (b != 0) {
    const ToEps eps = to_eps(source, t, rates, s_d);
    c = {c.x + b * eps.x, c.y + b * eps.y};
  }
  return c;
}

template <class S>
void convert(In<S> value, In<S> x_t, std::span<const Conversion> c, Out<S> out) {
  for (Index i = 0; i < value.rows(); ++i) {
    const auto [x, y] = c[c.size() == 1 ? 0 : static_cast<std::size_t>(i)];
    if (x == 0) {
      out.row(i) = (y * value.row(i).template cast<double>()).template cast<S>();
    } else {
      out.row(i) =
          (x * x_t.row(i).template cast<double>() + y * value.row(i).template cast<double>()).template cast<S>();
    }
  }
}
template void convert<float>(In<float>, In<float>, std::span<const Conversion>, Out<float>);
template void convert<double>(In<double>, In<double>, std::span<const Conversion>, Out<double>);

}  // namespace scorefield
