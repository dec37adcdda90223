// Fuzzes the greedy cover and the n-gram model: nothing may be read out of bounds, every document is ranked once, scores
// and bits are not negative, and kept matches are refused or taken up as they are. The first bytes choose the options; the rest is split into texts at line ends, of
// which the first few are the target.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cover/greedy.hpp"
#include "ngram/witten_bell.hpp"

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zipfit;
  if (size < 4) return 0;
  const auto unit = data[0] & 1 ? cover::Unit::word : cover::Unit::byte;
  std::vector<int> orders;
  for (int i = 0, order = 0; i < 3; ++i) {
    order += 1 + (data[1] >> (2 * i) & 3) * (unit == cover::Unit::word ? 1 : 2);
    orders.push_back(order);
  }
  const double cost_exponent = (data[2] & 3) * 0.5;

  std::string_view rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  std::vector<std::string_view> texts;
  for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1)) {
    texts.push_back(rest.substr(0, end));
  }
  texts.push_back(rest);
  const std::size_t examples = std::min<std::size_t>(texts.size(), 1 + (data[2] >> 4));
  const std::vector<std::string_view> target(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(examples));

  const cover::Features features(target, unit, orders);
  cover::Greedy greedy(cost_exponent);
  greedy.append(features.matches(texts));
  const std::vector<std::string> kept = features.matches(target).kept();
  cover::Matches again;
  again.features = features.size();
  for (const std::string& document : kept) again.append(document);
  require(again.kept() == kept);
  greedy.append(std::move(again));

  cover::Matches foreign;
  foreign.features = data[3] * std::size_t{300};
  std::vector<std::string> taken_up;
  for (const std::string_view text : {std::string_view(reinterpret_cast<const char*>(data), size), texts.back()}) {
    try {
      foreign.append(text);
      taken_up.emplace_back(text);
    } catch (const std::invalid_argument&) {
      break;  // a batch with a damaged document is of no use
    }
  }
  if (taken_up.size() == foreign.documents.size() && taken_up.size() == 2) require(foreign.kept() == taken_up);
  static const auto phi = [] {  // the square root at the counts that the table wants
    std::vector<double> table;
    for (std::size_t c = 0; c <= cover::Phi::exact; ++c) table.push_back(std::sqrt(static_cast<double>(c)));
    for (std::uint64_t step = 2; table.size() < cover::Phi::entries; step *= 2) {
      for (std::uint64_t i = 1; i <= cover::Phi::exact / 2; ++i) {
        table.push_back(std::sqrt(static_cast<double>(step * (cover::Phi::exact / 2 + i))));
      }
    }
    return table;
  }();
  const std::vector<std::int64_t> totals = greedy.totals(features.size());
  greedy.start(std::vector<double>(totals.begin(), totals.end()), phi);
  std::vector<bool> ranked(texts.size() + target.size());
  for (std::size_t taken = 0; taken < ranked.size();) {
    const std::size_t before = taken;
    greedy.take(3, [&](std::uint32_t position, double score) {
      require(!ranked.at(position) && score >= 0);
      ranked[position] = true;
      ++taken;
    });
    require(taken > before);
  }

  ngram::WittenBell model(target, 1 + data[2] % 9);
  for (const std::string_view text : texts) model.train(text);
  require(model.bits() >= 0);
  return 0;
}
