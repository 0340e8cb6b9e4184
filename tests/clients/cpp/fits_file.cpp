#include "tests/clients/cpp/fits_file.hpp"

#include <bit>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace {

std::string card(const char* name, const std::string& value) {
    char text[81];
    std::snprintf(text, sizeof text, "%-8s= %20s", name, value.c_str());
    std::string padded = text;
    padded.resize(80, ' ');
    return padded;
}

} // namespace

void write_fits(const std::string& path, const std::vector<std::int64_t>& axes, const std::function<float(std::int64_t)>& value,
                const std::vector<std::string>& cards) {
    std::string file = card("SIMPLE", "T") + card("BITPIX", "-32") + card("NAXIS", std::to_string(axes.size()));
    std::int64_t pixels = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        file += card(("NAXIS" + std::to_string(i + 1)).c_str(), std::to_string(axes[i]));
        pixels *= axes[i];
    }
    for (std::string text : cards) {
        text.resize(80, ' ');
        file += text;
    }
    file += "END";
    file.resize((file.size() + 2879) / 2880 * 2880, ' ');
    for (std::int64_t i = 0; i < pixels; ++i) {
        const auto bits = std::bit_cast<std::uint32_t>(value(i));
        for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(bits >> shift & 0xFF);
    }
    file.resize((file.size() + 2879) / 2880 * 2880, '\0');
    std::ofstream out(path, std::ios::binary);
    out.write(file.data(), static_cast<std::streamsize>(file.size()));
    if (!out) throw std::runtime_error("can't write " + path);
}
