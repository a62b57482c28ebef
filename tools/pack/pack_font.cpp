// SPDX-License-Identifier: Apache-2.0
//
// Build-time program, on the host: pack_font FONT.psf OUTPUT.hpp. Takes the ASCII glyphs of an 8x16 PSF version 1 font
// and writes them as one constexpr table for font.hpp.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr int      height = 16, first = ' ', last = '~';
constexpr unsigned separator = 0xffff, sequence = 0xfffe;   // in the table of characters

// PSF version 1: magic, mode, height; glyphs; then, if mode says so, per glyph the characters it shows, 16 bits each.
struct Font {
    static constexpr unsigned char magic[2] = {0x36, 0x04}, mode_512 = 1, mode_has_table = 2;
    static constexpr std::size_t   header = 4;

    std::vector<unsigned char>      bytes;
    std::map<unsigned, std::size_t> glyph_of;               // character -> glyph

    // Empty: it was read; else what is wrong with it.
    std::string read(char const* path)
    {
        std::ifstream file{path, std::ios::binary};
        bytes.assign(std::istreambuf_iterator<char>{file}, {});
        if (bytes.size() < header || bytes[0] != magic[0] || bytes[1] != magic[1])
            return "not a PSF version 1 font";
        if (bytes[3] != height)
            return "its glyphs are not 16 pixels high";
        std::size_t const count = (bytes[2] & mode_512) ? 512 : 256;
        std::size_t at = header + count * height;
        if (bytes.size() < at)
            return "it is truncated";
        if (!(bytes[2] & mode_has_table)) {
            for (unsigned c = first; c <= last; c++)
                glyph_of[c] = c;
            return {};
        }
        for (std::size_t glyph = 0; glyph < count; glyph++) {
            bool in_sequence = false;
            for (;; at += 2) {
                if (at + 2 > bytes.size())
                    return "its table of characters is truncated";
                unsigned const c = bytes[at] | unsigned{bytes[at + 1]} << 8;
                if (c == separator)
                    break;
                in_sequence |= c == sequence;
                if (!in_sequence)
                    glyph_of.try_emplace(c, glyph);
            }
            at += 2;
        }
        return {};
    }
};

} // namespace

int main(int count, char** arguments)
{
    if (count != 3) {
        std::fprintf(stderr, "usage: pack_font FONT.psf OUTPUT.hpp\n");
        return 2;
    }
    Font font;
    if (std::string const fault = font.read(arguments[1]); !fault.empty()) {
        std::fprintf(stderr, "pack_font: %s: %s\n", arguments[1], fault.c_str());
        return 1;
    }
    std::ofstream out{arguments[2]};
    out << "// Made by pack_font from a Debian console font. Not to be edited.\n#pragma once\n\n"
           "namespace kennel::font {\n\ninline constexpr unsigned char glyphs[" << last - first + 1 << "][" << height << "] = {\n";
    for (int c = first; c <= last; c++) {
        auto const glyph = font.glyph_of.find(static_cast<unsigned>(c));
        if (glyph == font.glyph_of.end()) {
            std::fprintf(stderr, "pack_font: %s: it has no glyph for character %d\n", arguments[1], c);
            return 1;
        }
        out << "    {";
        for (int row = 0; row < height; row++)
            out << (row ? ", " : "") << int{font.bytes[Font::header + glyph->second * height + static_cast<std::size_t>(row)]};
        out << "},   // " << (c == '\\' ? std::string{"backslash"} : std::string(1, static_cast<char>(c))) << '\n';
    }
    out << "};\n\n} // namespace kennel::font\n";
    return out.flush() ? 0 : 1;
}
