#include "imaging/tables/sky/sky_test.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>

namespace cubelink::imaging {

namespace {

class SkyTest final : public RowTest {
public:
    SkyTest(const SkyColumns& columns, std::string key, PassingPositions passes)
        : columns_(columns), key_("s" + columns.key() + ":" + std::move(key)), passes_(std::move(passes)) {}
    std::string key() const override { return key_; }
    void apply(const Table& table, std::size_t chunk, std::span<std::uint64_t> bits, const CancelToken& cancel) const override {
        const auto first = chunk * table.chunk_rows, count = std::min(table.chunk_rows, table.rows - first);
        std::size_t filled = 0;
        std::array<std::uint32_t, at_once> rows;
        const auto look = [&] {
            cancel.throw_if_cancelled();
            std::array<SkyPoint, at_once> positions;
            std::array<bool, at_once> passes{};
            sky_positions(table, columns_, std::span(rows).first(filled), std::span(positions).first(filled));
            passes_(std::span(positions).first(filled), std::span(passes).first(filled));
            for (std::size_t i = 0; i < filled; ++i)
                if (const auto row = rows[i] - first; !passes[i]) bits[row / 64] &= ~(std::uint64_t{1} << (row % 64));
            filled = 0;
        };
        for (std::size_t word = 0; word * 64 < count; ++word) {
            if (filled + 64 > at_once) look();
            for (auto left = bits[word]; left != 0; left &= left - 1)
                if (const auto row = word * 64 + static_cast<std::size_t>(std::countr_zero(left)); row < count) rows[filled++] = static_cast<std::uint32_t>(first + row);
        }
        look();
    }

private:
    static constexpr std::size_t at_once = 1024;

    const SkyColumns columns_;
    const std::string key_;
    const PassingPositions passes_;
};

} // namespace

RowTestPtr at_positions(const SkyColumns& columns, std::string key, PassingPositions passes) { return std::make_shared<SkyTest>(columns, std::move(key), std::move(passes)); }

RowTestPtr within_cone(const SkyColumns& columns, SkyPoint center, double radius) {
    // Without a look at each value's type, text and unit.
    if (columns.plain()) return within_cone(columns.longitude.column, columns.latitude.column, center.lon, center.lat, radius);
    std::string key = "cone";
    for (const auto number : {center.lon, center.lat, radius}) key.append(reinterpret_cast<const char*>(&number), sizeof number);
    return at_positions(columns, std::move(key), [center, radius](std::span<const SkyPoint> positions, std::span<bool> passes) {
        for (std::size_t i = 0; i < positions.size(); ++i) passes[i] = separation(positions[i], center) <= radius;
    });
}

} // namespace cubelink::imaging
