#include "scorefield/nn/plan.hpp"

#include <algorithm>

#include "scorefield/base/check.hpp"

namespace scorefield::nn {
namespace {

std::vector<Tensor> readable(std::initializer_list<Tensor> all) {
  std::vector<Tensor> some;
  std::ranges::copy_if(all, std::back_inserter(some), [](Tensor t) { return t != none; });
  return some;
}
std::vector<Tensor> read_by(const Conv& c) { return readable({c.x, c.x2, c.norm.scale_shift, c.vector, c.residual}); }
std::vector<Tensor> read_by(const Attention& a) { return readable({a.q.tensor, a.k.tensor, a.v.tensor, a.ids}); }
std::vector<Tensor> read_by(const Embedding& e) { return readable({e.ids}); }
std::vector<Tensor> read_by(const Sinusoid& s) { return readable({s.t}); }
std::vector<Tensor> read_by(const Resize& r) { return readable({r.x, r.divisor}); }

bool same_places(const Shape& a, const Shape& b) { return a.height == b.height && a.width == b.width; }

/// The places after resampling: halves round up, doubles may be cropped by one.
bool resampled_places(Resample kind, const Shape& from, const Shape& to) {
  const auto fits = [kind](Index a, Index b) {
    if (kind == Resample::none) return a == b;
    if (kind == Resample::down) return b == (a + 1) / 2;
    return b == 2 * a || b == 2 * a - 1;
  };
  return fits(from.height, to.height) && fits(from.width, to.width);
}

class Check {
 public:
  explicit Check(const Plan& plan)
      : p_(plan), written_(plan.tensors.size(), false), read_(plan.tensors.size(), false) {}

  void run() {
    parameters();
    for (const Input& i : p_.inputs) write(i.tensor, "input " + i.name);
    for (std::size_t i = 0; i < p_.ops.size(); ++i) {
      where_ = "operation " + std::to_string(i);
      for (const Tensor t : reads(p_.ops[i])) read(t);
      std::visit([this](const auto& op) { one(op); }, p_.ops[i]);
      write(writes(p_.ops[i]), where_);
    }
    where_ = "the output";
    read(p_.output);
    for (std::size_t t = 0; t < p_.tensors.size(); ++t) {
      require(written_[t] && read_[t], "plan: tensor ", t, " is ", written_[t] ? "never read" : "never written");
    }
  }

 private:
  void parameters() const {
    Index end = 0;
    for (const Parameter& q : p_.parameters) {
      Index size = 1;
      for (const Index d : q.shape) size *= d;
      require(q.slice.begin == end && q.slice.size == size && size > 0, "plan: parameter ", q.name,
              " must fill theta from ", end, " with the size of its shape (", size, "), it has begin ", q.slice.begin,
              " and size ", q.slice.size);
      end += size;
    }
    require(end == p_.parameter_count, "plan: parameters fill ", end, " numbers of theta, not ", p_.parameter_count);
  }

  const Shape& at(Tensor t) const { return p_.shape(t); }
  void ok(bool condition, const char* what) const { require(condition, "plan: ", where_, ": ", what); }
  void exists(Tensor t, const std::string& who) const {
    require(t >= 0 && static_cast<std::size_t>(t) < p_.tensors.size(), "plan: ", who, " names tensor ", t, " of ",
            p_.tensors.size());
  }
  void write(Tensor t, const std::string& who) {
    exists(t, who);
    const Shape& s = at(t);
    require(s.channels > 0 && s.height > 0 && s.width > 0, "plan: ", who, " makes an empty tensor of shape (", s.height,
            ", ", s.width, ", ", s.channels, ")");
    require(!written_[static_cast<std::size_t>(t)], "plan: ", who, " writes tensor ", t,
            ", which has been written before");
    written_[static_cast<std::size_t>(t)] = true;
  }
  void read(Tensor t) {
    exists(t, where_);
    require(written_[static_cast<std::size_t>(t)], "plan: ", where_, " reads tensor ", t, " before it is written");
    read_[static_cast<std::size_t>(t)] = true;
  }
  void slice(const Slice& s, Index size, const char* what) const {
    require(s.begin >= 0 && s.size == size && s.begin + s.size <= p_.parameter_count, "plan: ", where_, ": ", what,
            " must have ", size, " numbers within theta, it has begin ", s.begin, " and size ", s.size);
  }

  void one(const Conv& c) const {
    exists(c.y, where_);
    const Shape &x = at(c.x), &y = at(c.y);
    const Index in = x.channels + (c.x2 == none ? 0 : at(c.x2).channels);
    ok(c.x2 == none || same_places(x, at(c.x2)), "x and x2 must have the same height and width");
    norm(c.norm, in);
    ok(c.dropout >= 0 && c.dropout < 1, "dropout must be in [0, 1)");
    ok(c.kernel >= 1 && c.stride >= 1 && c.pad >= 0 && c.pad < c.kernel,
       "kernel and stride must be >= 1 and 0 <= pad < kernel");
    ok(c.kernel > 1 || c.stride == 1, "a kernel of 1 has stride 1");
    ok(!c.sequence || x.width == 1, "a kernel x 1 needs a sequence, one position wide");
    if (c.resample == Resample::none) {
      ok(y.height == (x.height + c.stride - 1) / c.stride && y.width == (x.width + c.stride - 1) / c.stride,
         "y must have ceil(H / stride) x ceil(W / stride) positions");
    } else {
      ok(c.stride == 1, "a resampling convolution has stride 1");
      ok(resampled_places(c.resample, x, y) || (c.sequence && y.width == 1),
         "y must have the resampled height and width of x");
    }
    slice(c.weight, y.channels * in * c.kernel * (c.sequence ? 1 : c.kernel), "weight");
    slice(c.bias, y.channels, "bias");
    ok(c.vector == none || at(c.vector) == Shape{y.channels, 1, 1}, "vector must hold one number per channel of y");
    ok(c.residual == none || at(c.residual) == y, "residual must have the shape of y");
  }
  void norm(const Norm& n, Index channels) const {
    ok(n.scale_shift == none || at(n.scale_shift) == Shape{2 * channels, 1, 1},
       "scale_shift must hold two numbers per channel");
    if (n.kind == Norm::Kind::none) return;
    ok(n.groups >= 1 && channels % n.groups == 0, "groups must divide the number of channels");
    ok(n.eps > 0, "the eps of a norm must be > 0");
    slice(n.gamma, channels, "gamma");
    slice(n.beta, channels, "beta");
  }
  void one(const Attention& a) const {
    exists(a.y, where_);
    const Shape& y = at(a.y);
    ok(a.heads >= 1 && y.channels % a.heads == 0, "heads must divide the number of channels of y");
    for (const Attention::Part& part : {a.q, a.k, a.v}) {
      ok(part.first >= 0 && part.first + y.channels <= at(part.tensor).channels,
         "q, k and v must lie inside their tensors");
    }
    ok(same_places(at(a.q.tensor), y), "q must have the height and width of y");
    ok(same_places(at(a.k.tensor), at(a.v.tensor)), "k and v must have the same height and width");
    ok(a.ids == none || at(a.ids).size() == at(a.k.tensor).positions(), "ids must hold one number per position of k");
  }
  void one(const Embedding& e) const {
    exists(e.y, where_);
    const Shape& y = at(e.y);
    ok(at(e.ids).channels == 1 && same_places(at(e.ids), y), "ids must be one number per position of y");
    ok(e.table.size > 0 && e.table.size % y.channels == 0, "the table must have rows of the channels of y");
    slice(e.table, e.table.size, "table");
    if (e.position.size > 0) slice(e.position, y.size(), "position");
  }
  void one(const Sinusoid& s) const {
    exists(s.y, where_);
    const Shape& y = at(s.y);
    const Index half = y.channels / 2;
    ok(at(s.t).size() == 1 && y.positions() == 1, "t must be one number and y a vector");
    ok(half >= 1 && s.max_period > 1 && s.shift < static_cast<double>(half),
       "needs two channels, max_period > 1, shift < channels / 2");
    if (s.frequencies.size > 0) slice(s.frequencies, half, "frequencies");
  }
  void one(const Resize& r) const {
    exists(r.y, where_);
    ok(at(r.x).channels == at(r.y).channels, "x and y must have the same channels");
    ok(resampled_places(r.resample, at(r.x), at(r.y)) || at(r.y).width == 1,
       "y must have the resampled height and width of x");
    ok(r.divisor == none || at(r.divisor).size() == 1, "the divisor must be one number per sample");
  }

  const Plan& p_;
  std::vector<bool> written_, read_;
  std::string where_;
};

}  // namespace

Index Plan::find_input(std::string_view name) const {
  const auto i = std::ranges::find_if(inputs, [&](const Input& in) { return in.name == name; });
  return i == inputs.end() ? -1 : i - inputs.begin();
}

std::vector<Tensor> reads(const Op& op) {
  return std::visit([](const auto& o) { return read_by(o); }, op);
}

Tensor writes(const Op& op) {
  return std::visit([](const auto& o) { return o.y; }, op);
}

void check(const Plan& plan) { Check(plan).run(); }

}  // namespace scorefield::nn
