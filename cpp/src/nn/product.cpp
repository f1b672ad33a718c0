#include "scorefield/nn/product.hpp"

#include "scorefield/kernels/table.hpp"

namespace scorefield::nn {
namespace {

template <class S>
void real_product(In<S> a, Transpose ta, In<S> b, Transpose tb, Out<S> c, Write write) {
  if (write == Write::assign) c.setZero();
  if (ta == Transpose::no && tb == Transpose::no) c.noalias() += a * b;
  if (ta == Transpose::no && tb == Transpose::yes) c.noalias() += a * b.transpose();
  if (ta == Transpose::yes && tb == Transpose::no) c.noalias() += a.transpose() * b;
  if (ta == Transpose::yes && tb == Transpose::yes) c.noalias() += a.transpose() * b.transpose();
}

Matrix<double> values(In<Dual> x) {
  return x.unaryExpr([](const Dual& v) { return v.value; }).cast<double>();
}
Matrix<double> slopes(In<Dual> x) {
  return x.unaryExpr([](const Dual& v) { return v.slope; }).cast<double>();
}

}  // namespace

template <>
void product<float>(In<float> a, Transpose ta, In<float> b, Transpose tb, Out<float> c, Write write) {
  const bool at = ta == Transpose::yes;
  kernels::table().sgemm(at, tb == Transpose::yes, c.rows(), c.cols(), at ? a.rows() : a.cols(), a.data(),
                         a.outerStride(), b.data(), b.outerStride(), c.data(), c.outerStride(), write == Write::add);
}

template <>
void product<double>(In<double> a, Transpose ta, In<double> b, Transpose tb, Out<double> c, Write write) {
  real_product<double>(a, ta, b, tb, c, write);
}

template <>
void product<Dual>(In<Dual> a, Transpose ta, In<Dual> b, Transpose tb, Out<Dual> c, Write write) {
  const Matrix<double> a_value = values(a), a_slope = slopes(a), b_value = values(b), b_slope = slopes(b);
  Matrix<double> value(c.rows(), c.cols()), slope(c.rows(), c.cols());
  real_product<double>(a_value, ta, b_value, tb, value, Write::assign);
  real_product<double>(a_value, ta, b_slope, tb, slope, Write::assign);
  real_product<double>(a_slope, ta, b_value, tb, slope, Write::add);
  if (write == Write::assign) c.setZero();
  for (Index i = 0; i < c.rows(); ++i) {
    for (Index j = 0; j < c.cols(); ++j) c(i, j) += Dual(value(i, j), slope(i, j));
  }
}

}  // namespace scorefield::nn
