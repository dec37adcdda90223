// zipfit._core's compressed sizes: gzip_size, lz4_size, GzipPairs and Lz4Pairs.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "alignment.hpp"
#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "dispatch.hpp"
#include "families.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace zipfit {
namespace {

int level_of(nb::handle level) { return static_cast<int>(integer(level, "level", kLowestLevel, kHighestLevel)); }

/// What Python holds: prepared targets, and the columns 0..n-1.
class BoundPairs {
 public:
  template <class Make>
  BoundPairs(nb::handle targets, Make make) {
    const Texts texts(targets, "targets");
    if (texts.size() == 0) throw nb::value_error("targets must not be empty");
    nb::gil_scoped_release released;
    std::vector<Text> views;
    for (std::size_t j = 0; j < texts.size(); ++j) {
      views.push_back(texts[j]);
      all_.push_back(static_cast<std::int32_t>(j));
    }
    pairs_.reset(make(views.data(), views.size()));
  }

  std::size_t count() const { return pairs_->count(); }

  auto target_sizes() const {
    return numpy(std::vector<std::int64_t>(pairs_->target_sizes(), pairs_->target_sizes() + count()));
  }

  nb::tuple sizes(nb::handle text) const {
    std::vector<std::int64_t> sizes(count());
    std::int64_t source = 0;
    const Text view = text_of(text);
    {
      nb::gil_scoped_release released;
      const auto sizer = this->sizer();
      sizer->sizes(view, all_.data(), count(), &source, sizes.data());
      sizer->finish();
    }
    return nb::make_tuple(source, numpy(std::move(sizes)));
  }

  auto alignments(nb::handle batch) const {
    const Texts texts(batch, "texts");
    std::vector<double> values(texts.size());
    {
      nb::gil_scoped_release released;
      each(texts, all_, [&](std::size_t i, std::int64_t source, const std::int64_t* sizes) {
        values[i] = alignment(source, pairs_->target_sizes(), sizes, count());
      });
    }
    return numpy(std::move(values));
  }

  nb::tuple distances(nb::handle batch, nb::handle wanted) const {
    const Texts texts(batch, "texts");
    const auto columns = array<std::int32_t, 1>(wanted, "columns");
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
      each(texts, chosen, [&](std::size_t i, std::int64_t source, const std::int64_t* sizes) {
        source_sizes[i] = source;
        for (std::size_t k = 0; k < chosen.size(); ++k) {
          values[i * chosen.size() + k] = distance(source, pairs_->target_sizes()[chosen[k]], sizes[k]);
        }
      });
    }
    return nb::make_tuple(numpy(std::move(source_sizes)), numpy(std::move(values), {texts.size(), chosen.size()}));
  }

 private:
  /// Calls `visit` with the number of each text, C(x), and C(x followed by t) for each of the columns. Texts are sized
  /// some thousand pairs at a time, as a sizer is quickest on many.
  template <class Visit>
  void each(const Texts& texts, const std::vector<std::int32_t>& columns, Visit visit) const {
    constexpr std::size_t kPairs = 4096;
    const std::size_t together = std::max<std::size_t>(1, kPairs / std::max<std::size_t>(1, columns.size()));
    std::vector<std::int64_t> sources(std::min(together, texts.size()));
    std::vector<std::int64_t> sizes(sources.size() * columns.size());
    const auto sizer = this->sizer();
    for (std::size_t first = 0; first < texts.size(); first += together) {
      const std::size_t count = std::min(together, texts.size() - first);
      for (std::size_t k = 0; k < count; ++k) {
        sizer->sizes(texts[first + k], columns.data(), columns.size(), &sources[k], sizes.data() + k * columns.size());
      }
      sizer->finish();
      for (std::size_t k = 0; k < count; ++k) visit(first + k, sources[k], sizes.data() + k * columns.size());
    }
  }

  std::unique_ptr<PairSizer> sizer() const { return std::unique_ptr<PairSizer>(pairs_->sizer()); }

  std::unique_ptr<Pairs> pairs_;
  std::vector<std::int32_t> all_;
};

struct GzipPairs : BoundPairs {
  GzipPairs(nb::handle targets, nb::handle level)
      : BoundPairs(targets, [level = level_of(level)](const Text* texts, std::size_t count) {
          return choose_kernel().gzip_pairs(texts, count, level);
        }) {}
};

struct Lz4Pairs : BoundPairs {
  explicit Lz4Pairs(nb::handle targets)
      : BoundPairs(targets,
                   [](const Text* texts, std::size_t count) { return choose_kernel().lz4_pairs(texts, count); }) {}
};

template <class T>
void bind_pairs(nb::class_<T>& pairs) {
  pairs.def_prop_ro("target_sizes", &T::target_sizes, nb::rv_policy::move, "C(t) of each target, shape (n,).")
      .def("sizes", &T::sizes, "text"_a.none(), "C(x), and C(x followed by t) for each target t, shape (n,).")
      .def("alignments", &T::alignments, "texts"_a.none(),
           "The alignment of each text: 1 minus the mean distance to the targets, shape (len(texts),).")
      .def("distances", &T::distances, "texts"_a.none(), "columns"_a.none(),
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
      [](nb::handle text, nb::handle level) {
        const Text view = text_of(text);
        const int at = level_of(level);
        nb::gil_scoped_release released;
        return choose_kernel().gzip_size(view, at);
      },
      "text"_a.none(), "level"_a.none(), "len(gzip.compress(text, level)) of reference zlib.");
  m.def(
      "lz4_size",
      [](nb::handle text) {
        const Text view = text_of(text);
        nb::gil_scoped_release released;
        return choose_kernel().lz4_size(view);
      },
      "text"_a.none(), "len(lz4.frame.compress(text)).");

  nb::class_<GzipPairs> gzip(m, "GzipPairs", "Targets prepared for gzip sizes of pairs. Safe from several threads.");
  gzip.def(nb::init<nb::handle, nb::handle>(), "targets"_a.none(), "level"_a.none());
  bind_pairs(gzip);
  nb::class_<Lz4Pairs> lz4(m, "Lz4Pairs", "Targets prepared for LZ4 frame sizes of pairs. Safe from several threads.");
  lz4.def(nb::init<nb::handle>(), "targets"_a.none());
  bind_pairs(lz4);
}

}  // namespace zipfit
