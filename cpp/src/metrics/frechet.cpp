#include "scorefield/metrics/frechet.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>

#include "scorefield/base/check.hpp"
#include "scorefield/base/parallel.hpp"
#include "scorefield/metrics/pairs.hpp"

namespace scorefield::metrics {
namespace {

constexpr Index kColumns = 64;  // of the covariance that are formed at once

RowVector<double> mean_of_rows(In<float> x) {
  RowVector<double> sum = RowVector<double>::Zero(x.cols());
  for (Index i = 0; i < x.rows(); ++i) sum += x.row(i).cast<double>();
  return sum / static_cast<double>(x.rows());
}

Matrix<double> centred(In<float> x, const RowVector<double>& mean) {
  Matrix<double> rows = x.cast<double>();
  rows.rowwise() -= mean;
  return rows;
}

/// sum_i (x_i - m)^T (x_i - m), a strip of columns per task, rows in order.
Matrix<double> scatter(In<float> x, const RowVector<double>& mean, const Interrupt& interrupt) {
  const Index dims = x.cols();
  Matrix<double> c = Matrix<double>::Zero(dims, dims);
  parallel_for((dims + kColumns - 1) / kColumns, [&](Index strip, Index) {
    const Index left = strip * kColumns, width = std::min(kColumns, dims - left);
    for (Index first = 0; first < x.rows(); first += kBlock) {
      interrupt.check();
      const Matrix<double> rows = centred(x.middleRows(first, std::min(kBlock, x.rows() - first)), mean);
      c.middleCols(left, width).noalias() += rows.transpose() * rows.middleCols(left, width);
    }
  });
  return c;
}

/// F with F^T F = C, with the fewer of n and D rows: the centred sample itself, or the scaled eigenvectors of C.
Matrix<double> factor(In<float> x, const RowVector<double>& mean, const Interrupt& interrupt) {
  const double scale = 1 / std::sqrt(static_cast<double>(x.rows() - 1));
  if (x.rows() <= x.cols()) return centred(x, mean) * scale;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(scatter(x, mean, interrupt));
  const Eigen::VectorXd roots = eigen.eigenvalues().cwiseMax(0).cwiseSqrt() * scale;
  return roots.asDiagonal() * eigen.eigenvectors().transpose();
}

}  // namespace

double frechet(In<float> a, In<float> b, const Poll& poll) {
  check_samples(a, b);
  require(a.rows() >= 2 && b.rows() >= 2, "a covariance needs at least two rows, got ", a.rows(), " and ", b.rows());
  const Interrupt interrupt(poll);
  const RowVector<double> mean_a = mean_of_rows(a), mean_b = mean_of_rows(b);
  const Matrix<double> factor_a = factor(a, mean_a, interrupt), factor_b = factor(b, mean_b, interrupt);
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(factor_a * factor_b.transpose());
  const double square = (mean_a - mean_b).squaredNorm() + factor_a.squaredNorm() + factor_b.squaredNorm() -
                        2 * svd.singularValues().sum();
  return std::max(0.0, square);
}

}  // namespace scorefield::metrics
