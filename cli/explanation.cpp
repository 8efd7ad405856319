#include "cli/explanation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "core/here.h"
#include "runtimes/describe.h"
#include "schedule/estimate.h"
#include "schedule/memory.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

constexpr size_t line_width = 100;

// A line of a kernel's paragraph: what it is about, and the text.
std::string labelled(std::string_view label, std::string_view text) {
  return fmt::format("  {:<8}{}\n", label, text);
}

// "head first, second, ...", in as many lines as it takes, each after the first as far to the right
// as `head` is long.
std::string wrapped(const std::string& head, const std::vector<std::string>& items) {
  std::string text;
  std::string line = head;
  for (size_t i = 0; i < items.size(); i++) {
    const std::string item = items[i] + (i + 1 < items.size() ? "," : "");
    if (line.size() > head.size() && line.size() + 1 + item.size() > line_width) {
      text += line + '\n';
      line = std::string(head.size(), ' ');
    }
    line += (line.size() > head.size() ? " " : "") + item;
  }
  return text + (items.empty() ? line + "none" : line) + '\n';
}

std::string labelled(std::string_view label, const std::vector<std::string>& items) {
  return wrapped(fmt::format("  {:<8}", label), items);
}

std::string counted(int64_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

// "reduce add", "cast f32", "mul".
std::string op_text(const UOp& u) {
  std::string op(info(u->op).name);
  if (u->op == Op::Reduce) op += fmt::format(" {}", info(u->get<Reduction>().op).name);
  if (u->op == Op::Cast) op += fmt::format(" {}", name(u->dtype));
  return op;
}

// Kernels [first, first + period) stand for `times` runs of the same programs.
struct Fold {
  int64_t first = 0;
  int64_t period = 0;
  int64_t times = 1;

  int64_t end() const { return first + period * times; }
  // Whether a kernel is one of those that the first ones stand for.
  bool hides(int64_t kernel) const { return kernel >= first + period && kernel < end(); }
};

// The run of repeated kernels that hides the most; few kernels are shown as they are.
Fold fold_of(const std::vector<Kernel>& kernels) {
  constexpr int64_t few = 8;
  const int64_t n = std::ssize(kernels);
  Fold best;
  if (n <= few) return best;
  for (int64_t period = 1; period <= n / 2; period++) {
    int64_t run = 0;  // kernels up to i that equal the one a period later
    for (int64_t i = 0; i + period < n; i++) {
      run = kernels[i].ast == kernels[i + period].ast ? run + 1 : 0;
      const int64_t times = run / period + 1;
      if ((times - 1) * period > (best.times - 1) * best.period) {
        best = {i + 1 - run, period, times};
      }
    }
  }
  return best;
}

class Explanation {
 public:
  Explanation(const std::vector<Tensor>& outputs, const Device& device, const BufferNames& names)
      : device_(device) {
    std::vector<UOp> roots;
    for (const Tensor& t : outputs) roots.push_back(t.dtype().packed ? t.cast(f32).uop() : t.uop());
    schedule_ =
        schedule(roots, [&](const Kernel&, const Stored& stored) { stored_.push_back(stored); });
    for (const Stored& each : stored_) {
      for (const UOp& node : each.nodes) nodes_.insert(node.get());
    }
    fold_ = fold_of(schedule_.kernels);
    for (int64_t k = 0; k < n_kernels(); k++) {
      if (!fold_.hides(k)) shown_.push_back(k);
    }
    name_buffers(names);
  }

  std::string text(const std::string& title) const {
    std::string out = head(title);
    for (const int64_t k : shown_) {
      if (fold_.times > 1 && k == fold_.first) {
        out += fmt::format("\n--- kernels {} to {}: {} times the same {} programs ---\n", k,
                           fold_.end() - 1, fold_.times, fold_.period);
      }
      if (fold_.times > 1 && k == fold_.end()) {
        out += fmt::format("\n--- kernel{} {}{} ---\n", k + 1 < n_kernels() ? "s" : "", k,
                           k + 1 < n_kernels() ? fmt::format(" to {}", n_kernels() - 1) : "");
      }
      out += paragraph(k);
    }
    return out + memory();
  }

 private:
  int64_t n_kernels() const { return std::ssize(schedule_.kernels); }

  const Kernel& at(int64_t k) const { return schedule_.kernels[static_cast<size_t>(k)]; }
  const Stored& stored(int64_t k) const { return stored_[static_cast<size_t>(k)]; }

  bool is_output(const BufferRef& b) const {
    return std::ranges::find(schedule_.outputs, b) != schedule_.outputs.end();
  }

  // What a buffer is to the graph: its kind, whose first letter is the beginning of its name.
  std::string_view kind(const BufferRef& b) const {
    if (b->data == nullptr) return is_output(b) ? "output" : "temporary";
    return b->constant ? "constant" : written_.contains(b.get()) ? "state" : "input";
  }

  void name_buffers(const BufferNames& names) {
    for (const Kernel& kernel : schedule_.kernels) {
      for (size_t i = 0; i < n_written(kernel); i++) written_.insert(kernel.args[i].get());
    }
    std::map<std::string_view, int64_t> numbers;
    for (const int64_t k : shown_) {
      for (const BufferRef& b : at(k).args) {
        if (names_.contains(b.get())) continue;
        const auto known = names.find(b->data);
        names_[b.get()] = known != names.end()
                              ? known->second
                              : fmt::format("{}{}", kind(b)[0], numbers[kind(b)]++);
      }
    }
  }

  // Those that a kernel writes come first among its arguments.
  static size_t n_written(const Kernel& kernel) { return kernel.ast->src.size(); }

  std::string head(const std::string& title) const {
    KernelCost all;
    std::set<const Node*> programs;
    std::map<std::string, std::string> variables;
    for (const Kernel& kernel : schedule_.kernels) {
      const KernelCost cost = kernel_cost(kernel.ast);
      all.operations += cost.operations;
      all.bytes_read += cost.bytes_read;
      all.bytes_written += cost.bytes_written;
      if (!programs.insert(kernel.ast.get()).second) continue;
      for (const UOp& u : toposort(kernel.ast)) {
        if (u->op != Op::Variable) continue;
        const Symbol& s = u->get<Symbol>();
        variables[s.name] = fmt::format("{} in [{}, {}]", s.name, s.min, s.max);
      }
    }
    std::string out = fmt::format("{}\n{} on {}, {}: {} operations, {} moved\n", title,
                                  counted(n_kernels(), "kernel"), device_.name(),
                                  counted(std::ssize(programs), "program"),
                                  count_text(all.operations), bytes_text(all.bytes()));
    if (variables.empty()) return out;
    return out + fmt::format("{}: sizes and costs are those of the greatest\n",
                             fmt::join(std::views::values(variables), ", "));
  }

  std::string paragraph(int64_t k) const {
    const Kernel& kernel = at(k);
    const bool folded = fold_.times > 1 && k >= fold_.first && k < fold_.first + fold_.period;
    std::string out = fmt::format("\nkernel {}, {}\n", k,
                                  folded ? fmt::format("{} launches", fold_.times) : "1 launch");
    out += arguments(kernel);
    for (const std::string& reason : stored(k).reasons) {
      out += labelled(&reason == &stored(k).reasons[0] ? "because" : "", reason);
    }
    out += fused(k) + kept(k);
    const int64_t same =
        std::ranges::find(schedule_.kernels, kernel.ast, &Kernel::ast) - schedule_.kernels.begin();
    if (same < k) {
      out += labelled("program", fmt::format("that of kernel {}", same));
    } else {
      out += labelled("loops", loop_texts(kernel.ast));
      out += labelled("moves", move_texts(moves_of(kernel.ast, device_.target())));
    }
    const KernelCost cost = kernel_cost(kernel.ast);
    return out +
           labelled("cost",
                    fmt::format("{} operations, {} read, {} written: {:.3g} "
                                "operations a byte",
                                count_text(cost.operations), bytes_text(cost.bytes_read),
                                bytes_text(cost.bytes_written), cost.operations / cost.bytes()));
  }

  // What is written and what is read.
  std::string arguments(const Kernel& kernel) const {
    size_t name_width = 4;
    size_t type_width = 16;
    for (const BufferRef& b : kernel.args) {
      name_width = std::max(name_width, names_.at(b.get()).size());
      type_width = std::max(type_width, buffer_text(*b).size());
    }
    std::string out;
    for (size_t i = 0; i < kernel.args.size(); i++) {
      const BufferRef& b = kernel.args[i];
      const bool read = i >= n_written(kernel);
      const bool first = i == 0 || i == n_written(kernel);
      const std::string text =
          fmt::format("{:<{}}  {:<{}} {:>9}  {}", names_.at(b.get()), name_width, buffer_text(*b),
                      type_width, bytes_text(static_cast<double>(b->bytes())), kind(b));
      out += labelled(!first ? "" : read ? "reads" : "writes", text);
    }
    return out;
  }

  // The ops that a kernel computes, by the line that asked for them. Movement is not computed: it
  // is where a value is read.
  std::string fused(int64_t k) const {
    struct Line {
      std::string site;
      std::vector<std::pair<std::string, int64_t>> ops = {};
      int64_t views = 0;
    };
    std::vector<Line> lines;
    size_t width = 0;
    for (const UOp& u : fused_nodes(stored(k).nodes)) {
      const std::string site = to_string(u->site);
      width = std::max(width, site.size());
      auto line = std::ranges::find(lines, site, &Line::site);
      if (line == lines.end()) line = lines.insert(line, Line{site});
      if (is_movement(u->op)) {
        line->views++;
        continue;
      }
      const std::string op = op_text(u);
      const auto known = std::ranges::find(line->ops, op, &std::pair<std::string, int64_t>::first);
      if (known != line->ops.end()) known->second++;
      else line->ops.emplace_back(op, 1);
    }
    std::string out;
    for (const Line& line : lines) {
      std::vector<std::string> items;
      for (const auto& [op, times] : line.ops) {
        items.push_back(times > 1 ? fmt::format("{} x {}", times, op) : op);
      }
      if (line.views > 0) items.push_back(counted(line.views, "view"));
      out += wrapped(fmt::format("  {:<8}{:<{}}  ", out.empty() ? "fused" : "", line.site, width),
                     items);
    }
    return out;
  }

  // What stays inside of a kernel: blocks of values, in memory of its own.
  std::string kept(int64_t k) const {
    std::string out;
    for (const Staged& stage : stored(k).stages) {
      Buffer block;
      block.dtype = stage.node->dtype;
      for (const UOp& dim : stage.blocks) {
        if (!is_const(dim, 1)) block.shape.push_back(dim_max(dim));
      }
      out += labelled(
          out.empty() ? "keeps" : "",
          fmt::format("{:<{}}  {:<16} {:>9}  {}", op_text(stage.node), 10, buffer_text(block),
                      bytes_text(static_cast<double>(block.bytes())), to_string(stage.node->site)));
      out += labelled("", "because " + stage.reason);
    }
    return out;
  }

  // From the sources to the values, without what other kernels store.
  std::vector<UOp> fused_nodes(const std::vector<UOp>& values) const {
    std::vector<UOp> found;
    std::set<const Node*> seen;
    std::vector<std::pair<UOp, size_t>> stack;
    for (size_t i = values.size(); i-- > 0;) stack.emplace_back(values[i], 0);
    while (!stack.empty()) {
      auto& [u, next] = stack.back();
      // The other sources of movement, and those of positions, are dims.
      const size_t n = u->op == Op::Iota ? 0 : is_movement(u->op) ? 1 : u->src.size();
      if (next < n) {
        const UOp s = u->src[next++];
        const bool leaf = s->op == Op::Const || s->op == Op::Buffer || s->op == Op::Variable;
        const bool inside = !leaf && !nodes_.contains(s.get());
        if (inside && seen.insert(s.get()).second) stack.emplace_back(s, 0);
        continue;
      }
      if (u->op != Op::Contiguous && u->op != Op::Assign) found.push_back(u);
      stack.pop_back();
    }
    return found;
  }

  // The lives of what is stored between kernels, and of what is put out, as a chart with a column a
  // kernel.
  std::string memory() const {
    std::vector<BufferRef> buffers;
    std::map<const Buffer*, int64_t> offsets;
    double bytes = 0;
    for (const Temporary& t : schedule_.temporaries) {
      buffers.push_back(t.buffer);
      offsets[t.buffer.get()] = t.offset;
      bytes += static_cast<double>(t.buffer->bytes());
    }
    if (buffers.empty()) return "\nmemory: nothing is stored between kernels\n";
    const Peak most = peak(schedule_);
    return fmt::format("\nmemory: {} of {} in an arena of {}; at most {} at once, in kernel {}\n",
                       counted(std::ssize(buffers), "buffer"), bytes_text(bytes),
                       bytes_text(static_cast<double>(schedule_.arena_bytes)),
                       bytes_text(static_cast<double>(most.bytes)), most.kernel) +
           chart(buffers, offsets);
  }

  std::string chart(const std::vector<BufferRef>& buffers,
                    const std::map<const Buffer*, int64_t>& offsets) const {
    struct Row {
      std::string name;
      const Buffer* buffer;
      Life life;
    };
    std::vector<Row> rows;
    const std::vector<Life> found = lives(schedule_.kernels, buffers);
    for (size_t i = 0; i < buffers.size(); i++) {
      const auto name = names_.find(buffers[i].get());
      if (name != names_.end()) rows.push_back({name->second, buffers[i].get(), found[i]});
    }
    std::ranges::stable_sort(rows, {}, [](const Row& row) { return row.life.first; });

    // A column shows kernels [begin, end); where some are hidden, one column stands for them.
    constexpr int64_t most_columns = 48;
    const int64_t step = (std::ssize(shown_) + most_columns - 1) / most_columns;
    std::vector<std::pair<int64_t, int64_t>> columns;
    for (int64_t k = 0; k < n_kernels();) {
      int64_t end = std::min(k + step, n_kernels());
      if (fold_.hides(k)) end = fold_.end();
      else if (k < fold_.first + fold_.period) end = std::min(end, fold_.first + fold_.period);
      columns.emplace_back(k, end);
      k = end;
    }
    std::string out =
        fmt::format("\n  {:<6} {:<24} {:>9} {:>9}  {:<9}  ", "", "", "bytes", "at", "kernels");
    for (const auto& [begin, end] : columns) {
      out += fold_.hides(begin) ? ':' : static_cast<char>('0' + begin / step % 10);
    }
    out += '\n';
    for (const Row& row : rows) {
      std::string cells;
      for (const auto& [begin, end] : columns) {
        cells += row.life.first < end && row.life.last >= begin ? '#' : '.';
      }
      out +=
          fmt::format("  {:<6} {:<24} {:>9} {:>9}  {:<9}  {}\n", row.name, buffer_text(*row.buffer),
                      bytes_text(static_cast<double>(row.buffer->bytes())), offsets.at(row.buffer),
                      fmt::format("{}..{}", row.life.first, row.life.last), cells);
    }
    return out;
  }

  const Device& device_;
  Schedule schedule_;
  std::vector<Stored> stored_;
  std::set<const Node*> nodes_;
  std::set<const Buffer*> written_;
  std::map<const Buffer*, std::string> names_;
  Fold fold_;
  std::vector<int64_t> shown_;
};

}  // namespace

std::string explanation(const std::string& title, const std::vector<Tensor>& outputs,
                        const Device& device, const BufferNames& names) {
  return Explanation(outputs, device, names).text(title);
}

}  // namespace niwaki
