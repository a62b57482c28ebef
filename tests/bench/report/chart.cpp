// SPDX-License-Identifier: Apache-2.0
//
// Primitives and requests as bars on a logarithmic scale, both sides beside each other, in SVG.
#include "tests/bench/report/output.hpp"
#include <algorithm>
#include <cmath>
#include <format>

namespace kennel::bench {

namespace {

constexpr int left = 320, width = 560, bar = 11, step = 32, top = 64;

double place(double value, double decades) { return std::log10(std::max(value, 1.0)) / decades * width; }

std::string bar_of(Fact const* fact, int y, char const* colour, double decades)
{
    if (!fact)
        return {};
    double const length = std::max(place(static_cast<double>(fact->median), decades), 1.0);
    return std::format("<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n"
                       "<text x=\"{:.1f}\" y=\"{}\" font-size=\"10\">{}</text>\n",
                       left, y, length, bar, colour, left + length + 4, y + bar - 2, fact->median);
}

} // namespace

std::string chart(std::vector<Row> const& rows)
{
    std::vector<Row> shown;
    std::uint64_t most = 10;
    for (Row const& row : rows)
        if (row.group == "primitive" || row.group == "switch" || row.group == "request") {
            shown.push_back(row);
            most = std::max({most, row.kennel ? row.kennel->median : 0, row.kvm ? row.kvm->median : 0});
        }
    double const decades = std::ceil(std::log10(static_cast<double>(most)));
    int const height = top + static_cast<int>(shown.size()) * step + 16;
    std::string text = std::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                   "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
                                   "<text x=\"12\" y=\"22\" font-size=\"15\">Instructions per operation (median, logarithmic)</text>\n"
                                   "<rect x=\"12\" y=\"34\" width=\"12\" height=\"12\" fill=\"#2b6cb0\"/><text x=\"30\" y=\"44\">Kennel</text>\n"
                                   "<rect x=\"100\" y=\"34\" width=\"12\" height=\"12\" fill=\"#a0aec0\"/><text x=\"118\" y=\"44\">Linux KVM</text>\n",
                                   left + width + 80, height);
    for (int power = 0; power <= static_cast<int>(decades); power++) {
        double const x = left + power / decades * width;
        text += std::format("<line x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\" stroke=\"#e2e8f0\"/><text x=\"{0:.1f}\" y=\"{3}\" font-size=\"10\">{4:.0f}</text>\n",
                            x, top - 8, height - 12, top - 12, std::pow(10, power));
    }
    int y = top;
    for (Row const& row : shown) {
        text += std::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 8, y + bar + 4, row.label);
        text += bar_of(row.kennel, y, "#2b6cb0", decades) + bar_of(row.kvm, y + bar + 1, "#a0aec0", decades);
        y += step;
    }
    return text + "</svg>\n";
}

} // namespace kennel::bench
