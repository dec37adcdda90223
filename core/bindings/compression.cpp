// zipfit._core's compressed sizes: gzip_size, lz4_size, GzipPairs and Lz4Pairs.
#include "families.hpp"
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <vector>

#include "alignment.hpp"
#include "dispatch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace zipfit {
namespace {

template <class T, int Dimensions>
using Output = nb::ndarray<nb::numpy, T, nb::ndim<Dimensions>, nb::c_contig>;

Text text_of(const nb::bytes& bytes) { return {static_cast<const std::uint8_t*>(bytes.data()), bytes.size()}; }

/// References to the bytes objects of a list: their contents stay put while other Python threads run.
class Texts {
 public:
  explicit Texts(const nb::list& list) {
    for (nb::handle item : list) {
      if (!nb::isinstance<nb::bytes>(item)) throw nb::type_error("texts must be a list of bytes");
      held_.push_back(nb::borrow<nb::bytes>(item));
      texts_.push_back(text_of(held_.back()));
    }
  }
  std::size_t size() const { return texts_.size(); }
  const Text* data() const { return texts_.data(); }
  const Text& operator[](std::size_t i) const { return texts_[i]; }

 private:
  std::vector<nb::bytes> held_;
  std::vector<Text> texts_;
};

template <class T, int Dimensions>
Output<T, Dimensions> output(std::vector<T>&& values, std::initializer_list<std::size_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return Output<T, Dimensions>(kept->data(), shape, owner);
}

int checked_level(int level) {
  if (level < kLowestLevel || level > kHighestLevel) {
    throw nb::value_error(("level must lie in 1..9, not " + std::to_string(level)).c_str());
  }
  return level;
}

/// What Python holds: prepared targets, and the columns 0..n-1.
class BoundPairs {
 public:
  template <class Make>
  BoundPairs(const nb::list& targets, Make make) {
    const Texts texts(targets);
    if (texts.size() == 0) throw nb::value_error("targets must not be empty");
    nb::gil_scoped_release released;
    pairs_.reset(make(texts.data(), texts.size()));
    for (std::size_t j = 0; j < texts.size(); ++j) all_.push_back(static_cast<std::int32_t>(j));
  }

  std::size_t count() const { return pairs_->count(); }

  Output<std::int64_t, 1> target_sizes() const {
    return output<std::int64_t, 1>({pairs_->target_sizes(), pairs_->target_sizes() + count()}, {count()});
  }

  nb::tuple sizes(const nb::bytes& text) const {
    std::vector<std::int64_t> sizes(count());
    std::int64_t source = 0;
    {
      const Text view = text_of(text);
      nb::gil_scoped_release released;
      source = sizer()->sizes(view, all_.data(), count(), sizes.data());
    }
    return nb::make_tuple(source, output<std::int64_t, 1>(std::move(sizes), {count()}));
  }

  Output<double, 1> alignments(const nb::list& list) const {
    const Texts texts(list);
    std::vector<double> values(texts.size());
    {
      nb::gil_scoped_release released;
      const auto sizer = this->sizer();
      std::vector<std::int64_t> sizes(count());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::int64_t source = sizer->sizes(texts[i], all_.data(), count(), sizes.data());
        values[i] = alignment(source, pairs_->target_sizes(), sizes.data(), count());
      }
    }
    return output<double, 1>(std::move(values), {texts.size()});
  }

  nb::tuple distances(
      const nb::list& list, nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> columns) const {
    const Texts texts(list);
    const std::vector<std::int32_t> chosen(columns.data(), columns.data() + columns.shape(0));
    for (const std::int32_t column : chosen) {
      if (column < 0 || static_cast<std::size_t>(column) >= count()) {
        throw nb::index_error(
            ("columns must lie in 0.." + std::to_string(count() - 1) + ", not " + std::to_string(column)).c_str());
      }
    }
    std::vector<std::int64_t> source_sizes(texts.size());
    std::vector<double> values(texts.size() * chosen.size());
    {
      nb::gil_scoped_release released;
      const auto sizer = this->sizer();
      std::vector<std::int64_t> sizes(chosen.size());
      double* value = values.data();
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::int64_t source = sizer->sizes(texts[i], chosen.data(), chosen.size(), sizes.data());
        source_sizes[i] = source;
        for (std::size_t k = 0; k < chosen.size(); ++k) {
          *value++ = distance(source, pairs_->target_sizes()[chosen[k]], sizes[k]);
        }
      }
    }
    return nb::make_tuple(output<std::int64_t, 1>(std::move(source_sizes), {texts.size()}),
                          output<double, 2>(std::move(values), {texts.size(), chosen.size()}));
  }

 private:
  std::unique_ptr<PairSizer> sizer() const { return std::unique_ptr<PairSizer>(pairs_->sizer()); }

  std::unique_ptr<Pairs> pairs_;
  std::vector<std::int32_t> all_;
};

struct GzipPairs : BoundPairs {
  GzipPairs(const nb::list& targets, int level)
      : BoundPairs(targets, [level = checked_level(level)](const Text* texts, std::size_t count) {
          return choose_kernel().gzip_pairs(texts, count, level);
        }) {}
};

struct Lz4Pairs : BoundPairs {
  explicit Lz4Pairs(const nb::list& targets)
      : BoundPairs(targets,
                   [](const Text* texts, std::size_t count) { return choose_kernel().lz4_pairs(texts, count); }) {}
};

template <class T>
void bind_pairs(nb::class_<T>& pairs) {
  pairs.def_prop_ro("target_sizes", &T::target_sizes, nb::rv_policy::move, "C(t) of each target, shape (n,).")
      .def("sizes", &T::sizes, "text"_a, "C(x), and C(x followed by t) for each target t, shape (n,).")
      .def("alignments", &T::alignments, "texts"_a,
           "The alignment of each text: 1 minus the mean distance to the targets, shape (len(texts),).")
      .def("distances", &T::distances, "texts"_a, "columns"_a,
           "The distance of each text to each of the chosen targets, shape (len(texts), len(columns)).")
      .def("__len__", &T::count);
}

}  // namespace

void bind_compression(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const UnavailableKernel& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    }
  });

  m.def(
      "isa", [] { return std::string(choose_kernel().isa); },
      "The instruction set in use: 'portable', 'avx2' or 'avx512'. ZIPFIT_ISA in the environment forces one.");
  m.def(
      "available_isas",
      [] {
        std::vector<std::string> names;
        for (const Kernel* kernel : available_kernels()) names.emplace_back(kernel->isa);
        return names;
      },
      "The instruction sets that this build and processor have.");

  m.def(
      "gzip_size",
      [](const nb::bytes& text, int level) {
        checked_level(level);
        const Text view = text_of(text);
        nb::gil_scoped_release released;
        return choose_kernel().gzip_size(view, level);
      },
      "text"_a, "level"_a, "len(gzip.compress(text, level)) of reference zlib.");
  m.def(
      "lz4_size",
      [](const nb::bytes& text) {
        const Text view = text_of(text);
        nb::gil_scoped_release released;
        return choose_kernel().lz4_size(view);
      },
      "text"_a, "len(lz4.frame.compress(text)).");

  nb::class_<GzipPairs> gzip(m, "GzipPairs", "Targets prepared for gzip sizes of pairs. Safe from several threads.");
  gzip.def(nb::init<const nb::list&, int>(), "targets"_a, "level"_a);
  bind_pairs(gzip);
  nb::class_<Lz4Pairs> lz4(m, "Lz4Pairs", "Targets prepared for LZ4 frame sizes of pairs. Safe from several threads.");
  lz4.def(nb::init<const nb::list&>(), "targets"_a);
  bind_pairs(lz4);
}

}  // namespace zipfit
