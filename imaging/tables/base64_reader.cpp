#include "imaging/tables/base64_reader.hpp"

#include "imaging/tables/cell_text.hpp"
#include "imaging/tables/table.hpp"

#include <algorithm>
#include <array>

namespace cubelink::imaging {

namespace {

constexpr std::uint32_t invalid = 1u << 31;

/// What a character at each of the four places adds to a group, its three bytes in memory order.
constexpr std::array<std::array<std::uint32_t, 256>, 4> make_tables() {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::array<std::uint32_t, 256>, 4> tables{};
    for (auto& table : tables) table.fill(invalid);
    for (std::uint32_t value = 0; value < 64; ++value) {
        const auto c = static_cast<unsigned char>(alphabet[value]);
        for (unsigned place = 0; place < 4; ++place) {
            const std::uint32_t group = value << (18 - 6 * place);
            tables[place][c] = group >> 16 | (group & 0xFF00) | (group & 0xFF) << 16;
        }
    }
    return tables;
}

constexpr auto tables = make_tables();

std::uint32_t group_at(const char* at) {
    const auto c = [at](int i) { return static_cast<unsigned char>(at[i]); };
    return tables[0][c(0)] | tables[1][c(1)] | tables[2][c(2)] | tables[3][c(3)];
}

void put(std::byte* to, std::uint32_t group) {
    to[0] = static_cast<std::byte>(group);
    to[1] = static_cast<std::byte>(group >> 8);
    to[2] = static_cast<std::byte>(group >> 16);
}

} // namespace

std::size_t Base64Reader::read(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size()) {
        if (left_count_ == 0 && characters_ == 0 && !padded_) {
            const auto rest = input_.rest();
            const char *from = rest.data(), *const end = from + rest.size();
            std::byte *to = out.data() + done, *const limit = out.data() + out.size();
            // Whole groups: four bytes are written for three.
            for (;;) {
                while (end - from >= 8 && limit - to >= 7) {
                    const auto one = group_at(from), two = group_at(from + 4);
                    if ((one | two) & invalid) break;
                    std::memcpy(to, &one, 4);
                    std::memcpy(to + 3, &two, 4);
                    from += 8;
                    to += 6;
                }
                if (end - from < 4 || limit - to < 4) break;
                if (const auto one = group_at(from); !(one & invalid)) {
                    std::memcpy(to, &one, 4);
                    from += 4;
                    to += 3;
                } else if (is_blank(*from)) {
                    ++from;
                } else {
                    break;
                }
            }
            input_.consume(static_cast<std::size_t>(from - rest.data()));
            done = static_cast<std::size_t>(to - out.data());
        }
        const auto count = read_slowly(out.subspan(done));
        if (count == 0) break;
        done += count;
    }
    position_ += static_cast<std::int64_t>(done);
    return done;
}

/// At most one group, with what is between its characters; 0 at the end.
std::size_t Base64Reader::read_slowly(std::span<std::byte> out) {
    while (left_count_ == 0) {
        if (ended_) return 0;
        if (input_.rest().empty() && !input_.more()) throw TableError(input_.where() + ": the file ends within binary data");
        const char c = input_.rest().front();
        if (c == '<') {
            ended_ = true;
            if (characters_ == 1) throw TableError(input_.where() + ": the base64 data end within a byte");
            if (characters_ >= 2) {
                std::byte bytes[3];
                put(bytes, bits_);
                left_[1] = bytes[0];
                left_[2] = bytes[1];
                left_count_ = characters_ - 1;
                if (left_count_ == 1) left_[2] = bytes[0];
            }
            characters_ = 0;
            continue;
        }
        const bool blank = is_blank(c), padding = c == '=';
        const auto value = tables[static_cast<std::size_t>(characters_ & 3)][static_cast<unsigned char>(c)];
        if (!blank && (padding ? characters_ < 2 && !padded_ : padded_ || (value & invalid) != 0))
            throw TableError(input_.where() + (padded_ || padding ? ": base64 data go on after their end" : ": this is not base64"));
        input_.consume(1);
        if (blank) continue;
        if (padding) {
            padded_ = true;
            continue;
        }
        bits_ = characters_ == 0 ? value : bits_ | value;
        if (++characters_ < 4) continue;
        put(left_, bits_);
        left_count_ = 3;
        characters_ = 0;
    }
    std::size_t count = 0;
    while (left_count_ > 0 && count < out.size()) out[count++] = left_[3 - left_count_--];
    return count;
}

} // namespace cubelink::imaging
