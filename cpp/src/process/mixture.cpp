#include "scorefield/process/mixture.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"

namespace scorefield {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> normalised(std::vector<double> weights, Index components) {
  if (weights.empty()) weights.assign(static_cast<std::size_t>(components), 1.0);
  require(static_cast<Index>(weights.size()) == components, "weights must have one entry for each of the ", components,
          " components, got ", weights.size());
  for (const double w : weights) require(w >= 0 && std::isfinite(w), "weights must be finite and >= 0, got ", w);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  require(total > 0, "weights must have a positive sum, got ", total);
  for (double& w : weights) w /= total;
  return weights;
}

Matrix<double> from_rows(std::initializer_list<std::initializer_list<double>> rows) {
  require(rows.size() > 0 && rows.begin()->size() > 0, "a mixture needs at least one mean of at least one number");
  Matrix<double> m(static_cast<Index>(rows.size()), static_cast<Index>(rows.begin()->size()));
  Index k = 0;
  for (const auto& row : rows) {
    require(static_cast<Index>(row.size()) == m.cols(), "means must have equal lengths, got ", m.cols(), " and ",
            row.size());
    std::copy(row.begin(), row.end(), m.row(k++).data());
  }
  return m;
}

Matrix<double> round_variances(const std::vector<double>& stds, Index dimension) {
  Matrix<double> v(static_cast<Index>(stds.size()), dimension);
  for (Index k = 0; k < v.rows(); ++k) {
    const double std = stds[static_cast<std::size_t>(k)];
    require(std >= 0, "stds must be >= 0, got ", std);
    v.row(k).setConstant(std * std);
  }
  return v;
}

}  // namespace

/// A mixture noised to one level: everything that its rows share. Immutable, so rows may run on any thread.
/// In the axes of component k, with d = x - alpha m_k:  grad log N_k = -C_k^-1 d,  E[x0 | x_t, k] = m_k + alpha S_k
/// C_k^-1 d.
class MixtureAtLevel {
 public:
  MixtureAtLevel(const Mixture& mixture, const Level& p) : m_(mixture), p_(p) {
    const Matrix<double> c = (p.alpha * p.alpha * m_.variances_.array() + p.sigma * p.sigma).matrix();
    singular_ = !(c.minCoeff() > 0);
    inverse_ = c.cwiseInverse();
    gain_ = p.alpha * m_.variances_.cwiseProduct(inverse_);
    constant_.resize(m_.components());
    log_weight_.resize(m_.components());
    for (Index k = 0; k < m_.components(); ++k) {
      log_weight_[k] = std::log(m_.weights_[static_cast<std::size_t>(k)]);
      constant_[k] = -0.5 * (c.row(k).array() * (2 * std::numbers::pi)).log().sum();
    }
  }

  bool singular() const { return singular_; }
  /// No noise to speak of: E[x0 | x_t] = x_t / alpha, whatever the data.
  bool clean() const { return singular_ || p_.sigma == 0; }
  double alpha() const { return p_.alpha; }

  /// log(w_k N(x; alpha m_k, C_k)) for every k; of a chosen component log N alone, of the others minus infinity.
  RowVector<double> log_joint(const RowVector<double>& x, Index chosen) const {
    RowVector<double> l = RowVector<double>::Constant(m_.components(), -infinity), d(x.size());
    for (Index k = std::max<Index>(0, chosen); k < (chosen < 0 ? m_.components() : chosen + 1); ++k) {
      deviation(x, k, d);
      l[k] = constant_[k] - 0.5 * d.cwiseAbs2().cwiseProduct(inverse_.row(k)).sum();
      if (chosen < 0) l[k] += log_weight_[k];
    }
    return l;
  }
  /// d := x - alpha m_k, in the axes of component k.
  void deviation(const RowVector<double>& x, Index k, RowVector<double>& d) const {
    d.noalias() = x - p_.alpha * m_.means_.row(k);
    if (!m_.bases_.empty()) d = (d * m_.bases_[static_cast<std::size_t>(k)]).eval();
  }
  /// out += factor v, with v in the axes of component k.
  template <class Row, class Out>
  void add(Index k, double factor, const Row& v, Out&& out) const {
    if (m_.bases_.empty()) {
      out.noalias() += factor * v;
    } else {
      out.noalias() += factor * (v * m_.bases_[static_cast<std::size_t>(k)].transpose());
    }
  }
  /// c in the axes of component k.
  RowVector<double> turned(const RowVector<double>& c, Index k) const {
    return m_.bases_.empty() ? c : RowVector<double>(c * m_.bases_[static_cast<std::size_t>(k)]);
  }
  auto mean(Index k) const { return m_.means_.row(k); }
  auto inverse(Index k) const { return inverse_.row(k); }  ///< eigenvalues of C_k^-1
  auto gain(Index k) const { return gain_.row(k); }        ///< eigenvalues of alpha S_k C_k^-1

 private:
  const Mixture& m_;
  Level p_;
  Matrix<double> inverse_, gain_;
  RowVector<double> constant_, log_weight_;  // -log det(2 pi C_k) / 2, log w_k
  bool singular_;
};

namespace {

/// log sum exp without overflow.
double log_total(const RowVector<double>& l) {
  const double top = l.maxCoeff();
  return std::isfinite(top) ? top + std::log((l.array() - top).exp().sum()) : top;
}

RowVector<double> softmax(const RowVector<double>& l) {
  const double top = l.maxCoeff();
  const RowVector<double> e =
      l.unaryExpr([top](double v) { return v < top - 700 ? 0 : std::exp(v - top); });  // NaN stays
  return e / e.sum();
}

/// f(row, the mixture at that row's level) for all rows, in blocks whose work is fixed; one table if the rows share a
/// level.
template <class F>
void for_rows(const Mixture& mixture, Index rows, Levels t, const F& f) {
  const Index block =
      std::max<Index>(16, 32768 / (mixture.components() * mixture.dimension()));  // enough to pay a thread
  if (t.size() == 1) {
    const MixtureAtLevel at(mixture, t[0]);
    return parallel_blocks(rows, block, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) f(i, at);
    });
  }
  parallel_for(rows, [&](Index i, Index) { f(i, MixtureAtLevel(mixture, level(t, i))); });
}

void check_input(const Mixture& mixture, In<double> x, Levels t) {
  require(x.cols() == mixture.dimension(), "the mixture has ", mixture.dimension(), " features but x has shape (",
          x.rows(), ", ", x.cols(), ")");
  require(t.size() == 1 || static_cast<Index>(t.size()) == x.rows(), "need one level or one for each of the ", x.rows(),
          " rows, got ", t.size());
}

Index pick(Mixture::Chosen chosen, Index row) { return chosen.empty() ? -1 : chosen[static_cast<std::size_t>(row)]; }

}  // namespace

Mixture::Mixture(Matrix<double> means, Matrix<double> variances, std::vector<double> weights)
    : means_(std::move(means)),
      variances_(std::move(variances)),
      weights_(normalised(std::move(weights), means_.rows())) {
  require(means_.size() > 0, "a mixture needs at least one mean of at least one number, got shape (", means_.rows(),
          ", ", means_.cols(), ")");
  require(variances_.rows() == means_.rows() && variances_.cols() == means_.cols(),
          "variances must have the shape of means (", means_.rows(), ", ", means_.cols(), "), got (", variances_.rows(),
          ", ", variances_.cols(), ")");
  require(means_.allFinite() && variances_.allFinite(), "means and variances must be finite");
  require(variances_.minCoeff() >= 0, "variances must be >= 0, got ", variances_.minCoeff());
}

Mixture::Mixture(std::initializer_list<std::initializer_list<double>> means, const std::vector<double>& stds,
                 std::vector<double> weights)
    : Mixture(from_rows(means), round_variances(stds, static_cast<Index>(means.begin()->size())), std::move(weights)) {}

Mixture Mixture::full(Matrix<double> means, In<double> covariances, std::vector<double> weights) {
  const Index K = means.rows(), D = means.cols();
  require(covariances.rows() == K && covariances.cols() == D * D, "covariances must have shape (", K, ", ", D, ", ", D,
          ")");
  require(covariances.allFinite(), "covariances must be finite");
  Matrix<double> variances(K, D);
  std::vector<Matrix<double>> bases;
  for (Index k = 0; k < K; ++k) {
    const Matrix<double> S = InMap<double>(covariances.row(k).data(), D, D);
    const double scale = S.cwiseAbs().maxCoeff();
    require((S - S.transpose()).cwiseAbs().maxCoeff() <= 1e-9 * scale, "covariance ", k, " is not symmetric");
    const Eigen::SelfAdjointEigenSolver<Matrix<double>> solver(S);
    require(solver.eigenvalues().minCoeff() >= -1e-9 * scale, "covariance ", k, " has the negative eigenvalue ",
            solver.eigenvalues().minCoeff());
    variances.row(k) = solver.eigenvalues().transpose().cwiseMax(0);
    bases.push_back(solver.eigenvectors());
  }
  Mixture mixture(std::move(means), std::move(variances), std::move(weights));
  mixture.bases_ = std::move(bases);
  return mixture;
}

void Mixture::sample(const Noise& noise, Out<double> x) const {
  require(x.cols() == dimension(), "the mixture has ", dimension(), " features but x has ", x.cols());
  Matrix<double> u(x.rows(), 1);
  noise.uniform(u, 0);
  noise.normal(x, 1);
  std::vector<double> ends(weights_.size());
  std::partial_sum(weights_.begin(), weights_.end(), ends.begin());
  const Level data{};
  const MixtureAtLevel at(*this, data);
  for (Index i = 0; i < x.rows(); ++i) {
    const auto place = std::upper_bound(ends.begin(), ends.end() - 1, u(i, 0)) - ends.begin();
    const auto k = static_cast<Index>(place);
    const RowVector<double> scaled = x.row(i).cwiseProduct(variances_.row(k).cwiseSqrt());
    x.row(i) = means_.row(k);
    at.add(k, 1, scaled, x.row(i));
  }
}

Matrix<double> Mixture::log_density(In<double> x, Levels t, Chosen chosen) const {
  check_input(*this, x, t);
  Matrix<double> out(x.rows(), 1);
  for_rows(*this, x.rows(), t, [&](Index i, const MixtureAtLevel& at) {
    require(!at.singular(), "a component without spread has no density at sigma = 0; ask at a later time");
    out(i, 0) = log_total(at.log_joint(x.row(i), pick(chosen, i)));
  });
  return out;
}

Matrix<double> Mixture::posterior(In<double> x, Levels t) const {
  check_input(*this, x, t);
  Matrix<double> out(x.rows(), components());
  for_rows(*this, x.rows(), t, [&](Index i, const MixtureAtLevel& at) {
    require(!at.singular(), "a component without spread has no density at sigma = 0; ask at a later time");
    out.row(i) = softmax(at.log_joint(x.row(i), -1));
  });
  return out;
}

void Mixture::denoise(In<double> x, Levels t, Chosen chosen, Out<double> x0) const {
  check_input(*this, x, t);
  for_rows(*this, x.rows(), t, [&](Index i, const MixtureAtLevel& at) {
    const RowVector<double> row = x.row(i);
    if (at.clean()) {
      x0.row(i) = row / at.alpha();
      return;
    }
    const RowVector<double> r = softmax(at.log_joint(row, pick(chosen, i)));
    RowVector<double> d(row.size());
    x0.row(i).setZero();
    for (Index k = 0; k < components(); ++k) {
      if (r[k] == 0) continue;  // NaN goes on
      at.deviation(row, k, d);
      x0.row(i) += r[k] * at.mean(k);
      at.add(k, r[k], at.gain(k).cwiseProduct(d), x0.row(i));
    }
  });
}

void Mixture::score(In<double> x, Levels t, Chosen chosen, Out<double> s) const {
  check_input(*this, x, t);
  for_rows(*this, x.rows(), t, [&](Index i, const MixtureAtLevel& at) {
    require(!at.singular(), "a component without spread has no score at sigma = 0; ask at a later time");
    const RowVector<double> row = x.row(i), r = softmax(at.log_joint(row, pick(chosen, i)));
    RowVector<double> d(row.size());
    s.row(i).setZero();
    for (Index k = 0; k < components(); ++k) {
      if (r[k] == 0) continue;
      at.deviation(row, k, d);
      at.add(k, -r[k], at.inverse(k).cwiseProduct(d), s.row(i));
    }
  });
}

// With mu_k = E[x0 | x_t, k] and g_k = grad log N_k:  x0_hat = sum_k r_k mu_k,  d r_k = r_k (g_k - sum_j r_j g_j), so
//   (d x0_hat / dx)^T c = sum_k r_k (alpha S_k C_k^-1 c + (mu_k . c - x0_hat . c) g_k)
void Mixture::pullback(In<double> x, Levels t, Chosen chosen, In<double> dx0, Out<double> x0, Out<double> dx) const {
  denoise(x, t, chosen, x0);
  for_rows(*this, x.rows(), t, [&](Index i, const MixtureAtLevel& at) {
    if (at.clean()) {
      dx.row(i) = dx0.row(i) / at.alpha();
      return;
    }
    const RowVector<double> row = x.row(i), c = dx0.row(i), r = softmax(at.log_joint(row, pick(chosen, i)));
    RowVector<double> d(row.size());
    dx.row(i).setZero();
    for (Index k = 0; k < components(); ++k) {
      if (r[k] == 0) continue;
      at.deviation(row, k, d);
      const RowVector<double> turned = at.turned(c, k);
      const double excess = (at.mean(k) - x0.row(i)).dot(c) + at.gain(k).cwiseProduct(d).dot(turned);
      at.add(k, r[k], at.gain(k).cwiseProduct(turned) - excess * at.inverse(k).cwiseProduct(d), dx.row(i));
    }
  });
}

}  // namespace scorefield
