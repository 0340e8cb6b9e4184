#pragma once
/// Part of wcs_cards.cpp: reads a header's cards and decides which of them wcslib is given. Used by one thread.

#include "imaging/world/axes.hpp"
#include "imaging/world/header.hpp"
#include "imaging/world/wcs_cards.hpp"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cubelink::imaging {

/// "CD", 1, 2 as "CD1_2".
inline std::string numbered(std::string_view stem, std::size_t first) { return std::string(stem) + std::to_string(first); }
inline std::string numbered(std::string_view stem, std::size_t first, std::size_t second) { return numbered(stem, first) + "_" + std::to_string(second); }

inline bool ends_with_table(std::string_view type) { return type.ends_with("-TAB"); }

std::string wcs_number_text(double value);

/// Fills a WcsCards. Axes are numbered from 1 here, as in keywords.
class WcsCards::Builder {
public:
    Builder(WcsCards& result, const Header& header) : out_(result), lengths_(result.lengths_) { collect(header); }

    void build() {
        count_axes();
        find_types();
        check_linear();
        check_tables();
        check_parameters();
        check_sky();
        check_distortion();
        check_plate();
        check_spectral();
        spread_over_pairs();
        report();
    }

private:
    enum class State { absent, undefined, unreadable, good };
    struct Reading {
        State state = State::absent;
        std::string name; // as the header spells it
        std::string shown;
        Value value;
        bool old_form = false;
    };

    void collect(const Header& header);
    void count_axes();
    void find_types();
    void check_linear();
    bool is_singular() const;
    void check_step(std::size_t axis, bool cd, bool pc);
    void check_tables();
    bool check_table_axis(std::size_t axis);
    void check_parameters();
    void check_sky();
    void check_distortion();
    void check_plate();
    void check_spectral();
    void spread_over_pairs();
    void report();

    const Reading& reading(const std::string& name) const {
        static const Reading none;
        const auto found = readings_.find(name);
        return found == readings_.end() ? none : found->second;
    }
    bool has(const std::string& name) const { return reading(name).state != State::absent; }
    bool good(const std::string& name) const { return reading(name).state == State::good; }
    std::optional<double> number(const std::string& name) const {
        return good(name) ? std::optional(reading(name).value.number) : std::nullopt;
    }
    std::string text(const std::string& name) const { return good(name) ? reading(name).value.text : std::string{}; }

    void put(const std::string& name) { out_.values_[name] = reading(name).value; }
    void put_if_good(const std::string& name) {
        if (good(name)) put(name);
    }
    void put_number(const std::string& name, double value) { out_.values_[name] = {wcs_number_text(value), value, false}; }
    void put_text(const std::string& name, std::string value) { out_.values_[name] = {std::move(value), 0, true}; }

    std::string why(const std::string& name) const {
        const Reading& card = reading(name);
        if (card.state == State::undefined) return card.name + " has no value";
        return card.name + " cannot be read (" + card.shown + ")";
    }
    void reject(std::size_t axis, std::string reason) {
        if (bad_[axis].empty()) bad_[axis] = std::move(reason);
    }
    void reject_sky(const std::string& reason) {
        for (std::size_t axis = 1; axis <= count_; ++axis) {
            if (is_sky(axis)) reject(axis, reason);
        }
    }
    bool is_sky(std::size_t axis) const { return !celestial_role(types_[axis]).empty() && !ends_with_table(types_[axis]); }
    /// A card whose absence has a default that is a guess here: without a readable value there is no position.
    bool require(std::size_t axis, const std::string& name) {
        if (!has(name) || good(name)) return true;
        reject(axis, why(name));
        return false;
    }
    std::int64_t length(std::size_t axis) const { return axis <= lengths_.size() ? lengths_[axis - 1] : 1; }
    void warn(std::string text) {
        if (out_.warnings_.size() < 16) out_.warnings_.push_back(std::move(text));
    }

    WcsCards& out_;
    const std::vector<std::int64_t>& lengths_;
    std::map<std::string, Reading> readings_;
    std::size_t count_ = 0;                                  // world axes
    std::array<std::string, axis_limit + 1> types_;          // as wcslib spells them
    std::array<std::string, axis_limit + 1> bad_;            // why an axis has no world values; empty if it has
    std::array<std::array<double, axis_limit + 1>, axis_limit + 1> matrix_{}; // [world][pixel], without the steps
};

} // namespace cubelink::imaging
