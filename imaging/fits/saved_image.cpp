#include "imaging/fits/saved_image.hpp"

#include "imaging/base/image_error.hpp"
#include "imaging/fits/saved_axes.hpp"
#include "imaging/world/axes.hpp"
#include "imaging/world/axis_keyword.hpp"
#include "imaging/world/header_editor.hpp"
#include "imaging/world/wcs.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numeric>
#include <set>

namespace cubelink::imaging {

namespace {

struct Axis {
    FitsAxis role = FitsAxis::single;
    AxisCut cut;
    std::int64_t length_before = 1;
    bool dropped = false;
};

/// Where a header's axes come from and what is left of them.
class SavedHeader {
public:
    SavedHeader(const ImageToSave& image, const SaveSelection& selection) : image_(image), selection_(selection), editor_(Header(image.cards)) {}

    /// Adds it to the file; warnings.
    std::vector<std::string> add_to(FitsFile& file) {
        find_axes();
        remove_what_no_longer_holds();
        remove_unusable_coordinates();
        if (!selection_.keep_degenerate) choose_dropped();
        cut();
        set_spectral();
        auto beams = set_beams(editor_, image_.info, selection_.part.channels, selection_.part.stokes);
        drop();
        complete_coordinates();
        if (!selection_.extension_name.empty()) {
            for (const char* of_source : {"EXTVER", "EXTLEVEL"}) editor_.remove(of_source);
            editor_.set("EXTNAME", selection_.extension_name, "name of this extension");
        }
        editor_.set("DATE", selection_.date, "when this file was written (UTC)");
        for (const std::string& line : selection_.history) editor_.add_history(line);
        for (const std::string& warning : warnings_) editor_.add_history(warning);

        FitsImageHdu hdu;
        hdu.source = is_whole() ? image_.source : std::make_shared<const SubImage>(image_.source, selection_.part);
        hdu.records = editor_.valid_records();
        // Of a convention that is older than the standard's: some programs look for it.
        if (hdu.records.find("CONTINUE  '") != std::string::npos) {
            editor_.set("LONGSTRN", "OGIP 1.0", "strings may be continued");
            hdu.records = editor_.valid_records();
        }
        for (const Axis& axis : axes_) {
            if (!axis.dropped) hdu.axes.push_back(axis.role);
        }
        file.add_image(std::move(hdu));
        if (beams) file.add_table(std::move(*beams));
        if (coordinates_) file.add_table(std::move(*coordinates_));
        return std::move(warnings_);
    }

private:
    int axis_count() const { return static_cast<int>(axes_.size()); }
    std::string text(const char* stem, int axis) const { return editor_.text(stem + std::to_string(axis)).value_or(""); }

    bool is_whole() const {
        const SubImageSelection& part = selection_.part;
        const ImageShape& shape = image_.source->shape();
        return !part.mask && part.rect == Rect{0, 0, shape.width, shape.height} && part.channels == IndexRange{0, shape.depth, 1} &&
               part.stokes == IndexRange{0, shape.stokes, 1};
    }

    void find_axes() {
        const ImageInfo& info = image_.info;
        const SubImageSelection& part = selection_.part;
        for (int i = 1; i <= static_cast<int>(info.axis_lengths.size()); ++i) {
            Axis axis;
            axis.length_before = info.axis_lengths[static_cast<std::size_t>(i - 1)];
            if (i == info.rendered_axes[0]) axis = {FitsAxis::x, {part.rect.x0, part.rect.width(), 1}, axis.length_before};
            else if (i == info.rendered_axes[1]) axis = {FitsAxis::y, {part.rect.y0, part.rect.height(), 1}, axis.length_before};
            else if (i == info.axes.depth) axis = {FitsAxis::depth, {part.channels.from, part.channels.count, part.channels.step}, axis.length_before};
            else if (i == info.axes.stokes) axis = {FitsAxis::stokes, {part.stokes.from, part.stokes.count, part.stokes.step}, axis.length_before};
            axes_.push_back(axis);
        }
    }

    void remove_what_no_longer_holds() {
        // How the source was stored, and what was true of all of its pixels.
        static constexpr std::array always{"CHECKSUM", "DATASUM",  "ZHECKSUM", "ZDATASUM", "INHERIT",  "NEXTEND",  "ZIMAGE",  "ZTENSION", "ZBITPIX",
                                           "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0", "ZBLANK",   "ZSCALE",   "ZZERO",    "ZMASKCMP", "ZSIMPLE",  "ZEXTEND",
                                           "ZPCOUNT",  "ZGCOUNT",  "ZBLOCKED", "DATAMIN",  "DATAMAX",  "LONGSTRN", "BSCALE",  "BZERO",    "BLANK"};
        static constexpr std::array of_whole{"DATASEC", "TRIMSEC", "BIASSEC", "CCDSEC", "DETSEC", "AMPSEC"};
        const bool whole = is_whole();
        editor_.remove_if([&](std::string_view keyword) {
            if (std::find(always.begin(), always.end(), keyword) != always.end()) return true;
            return !whole && std::find(of_whole.begin(), of_whole.end(), keyword) != of_whole.end();
        });
        // Distortions by tables, which are other HDUs of the source.
        bool removed = editor_.has("D2IMARR");
        for (int axis = 1; axis <= axis_count(); ++axis) {
            const std::string number = std::to_string(axis);
            for (const auto& [kind, records] : {std::array{"CPDIS", "DP"}, std::array{"CQDIS", "DQ"}, std::array{"D2IMDIS", "D2IM"}}) {
                std::string type = editor_.text(kind + number).value_or("");
                std::transform(type.begin(), type.end(), type.begin(), [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
                if (type != "LOOKUP") continue;
                editor_.remove(kind + number);
                editor_.remove(records + number);
                removed = true;
            }
        }
        if (!removed) return;
        editor_.remove_if([](std::string_view keyword) { return keyword == "D2IMARR" || keyword == "D2IMEXT" || keyword.starts_with("D2IMERR"); });
        warnings_.emplace_back("Distortions that the source has in tables are not part of this file.");
    }

    /// Whether an axis has its values in a table, which is not part of the new file.
    bool is_in_table(int axis) const { return text("CTYPE", axis).ends_with("-TAB"); }

    std::shared_ptr<const SpectralAxis> spectrum() const {
        auto axis = image_.wcs != nullptr && image_.info.axes.spectral > 0 ? image_.wcs->spectral_axis() : nullptr;
        const bool fits = axis && axis->kind() != SpectralKind::channel && axis->length() == image_.info.spectral_length;
        return fits ? axis : nullptr;
    }

    void remove_coordinates(int axis) {
        warnings_.push_back("The coordinates of axis " + std::to_string(axis) + " (" + text("CTYPE", axis) + ") could not be kept.");
        editor_.remove_coordinates(axis);
    }

    void remove_unusable_coordinates() {
        std::vector<int> removed;
        const auto* facts = image_.wcs != nullptr ? &image_.wcs->axis_facts() : nullptr;
        for (int axis = 1; axis <= axis_count(); ++axis) {
            const bool unknown = facts != nullptr && static_cast<std::size_t>(axis) <= facts->size() && !(*facts)[static_cast<std::size_t>(axis - 1)].known;
            const bool table = is_in_table(axis) && !(axis == image_.info.axes.spectral && spectrum());
            if (unknown || table) removed.push_back(axis);
        }
        const auto is_celestial = [&](int axis) { return !celestial_role(text("CTYPE", axis)).empty(); };
        if (std::any_of(removed.begin(), removed.end(), is_celestial)) {
            for (int axis = 1; axis <= axis_count(); ++axis) {
                if (is_celestial(axis) && std::find(removed.begin(), removed.end(), axis) == removed.end()) removed.push_back(axis);
            }
        }
        for (const int axis : removed) remove_coordinates(axis);
        // Alternate descriptions by tables.
        for (const char alternate : alternates.substr(1)) {
            bool in_table = false;
            for (int axis = 1; axis <= axis_count(); ++axis)
                in_table = in_table || editor_.text("CTYPE" + std::to_string(axis) + alternate).value_or("").ends_with("-TAB");
            if (!in_table) continue;
            editor_.remove_if([&](std::string_view keyword) {
                const auto key = axis_keyword(keyword);
                return (key && key->alternate == alternate) || keyword == "WCSAXES" + std::string(1, alternate) || keyword == "WCSNAME" + std::string(1, alternate);
            });
        }
    }

    void choose_dropped() {
        bool celestial_stays = false;
        const auto is_celestial = [&](int axis) { return !celestial_role(text("CTYPE", axis)).empty(); };
        for (int i = 1; i <= axis_count(); ++i) {
            Axis& axis = axes_[static_cast<std::size_t>(i - 1)];
            const bool rendered = axis.role == FitsAxis::x || axis.role == FitsAxis::y;
            axis.dropped = !rendered && axis.cut.count == 1 && !editor_.is_coupled(i);
            celestial_stays = celestial_stays || (!axis.dropped && is_celestial(i));
        }
        // Longitude and latitude mean nothing without each other. Distortions belong to axes 1 and 2.
        const bool distorted = editor_.has("A_ORDER") || editor_.has("B_ORDER") || editor_.has("PLTRAH");
        for (int i = 1; i <= axis_count(); ++i) {
            if ((celestial_stays && is_celestial(i)) || (distorted && i <= 2)) axes_[static_cast<std::size_t>(i - 1)].dropped = false;
        }
    }

    void cut() {
        for (int i = 1; i <= axis_count(); ++i) {
            const Axis& axis = axes_[static_cast<std::size_t>(i - 1)];
            if (axis.cut.step != 1) check_step(i);
            editor_.cut(i, axis.cut);
            // Of AIPS: the reference pixel of the other description of the spectral axis.
            if (i == image_.info.axes.spectral) {
                if (const auto pixel = editor_.number("ALTRPIX"); pixel && (axis.cut.from != 0 || axis.cut.step != 1))
                    editor_.set("ALTRPIX", (*pixel - 1 - static_cast<double>(axis.cut.from)) / static_cast<double>(axis.cut.step) + 1);
            }
        }
    }

    void check_step(int axis) const {
        bool turned = false;
        for (int i = 1; i <= axis_count(); ++i) turned = turned || editor_.number("CROTA" + std::to_string(i)).value_or(0) != 0;
        const bool distorted = axis <= 2 && (editor_.has("A_ORDER") || editor_.has("B_ORDER") || editor_.has("PLTRAH"));
        if (!celestial_role(text("CTYPE", axis)).empty() && (turned || distorted))
            throw ImageError("Axis " + std::to_string(axis) + " (" + text("CTYPE", axis) + ") is turned or distorted: its pixels can only be saved with the step 1.");
    }

    void set_spectral() {
        const int axis = image_.info.axes.spectral;
        if (axis < 1 || axis > axis_count() || axes_[static_cast<std::size_t>(axis - 1)].dropped) return;
        const double old_rest = image_.info.rest_frequency.value_or(0), rest = selection_.rest_frequency.value_or(old_rest);
        const auto spectral = spectrum();
        bool anew = is_in_table(axis);
        if (selection_.rest_frequency) anew = set_rest_frequency(editor_, axis, old_rest, rest) || anew;
        std::vector<double> all;
        if (spectral) all = spectral->values(spectral->kind(), rest > 0 ? std::optional(rest) : std::nullopt);
        if (spectral && selection_.rest_frequency) check_converted(spectral->native_values(), all, rest);
        if (!anew) return;
        if (!spectral) throw ImageError("The channels have no usable coordinates: they can't be converted to another rest frequency.");
        const AxisCut& cut = axes_[static_cast<std::size_t>(axis - 1)].cut;
        std::vector<double> values;
        for (std::int64_t i = 0; i < cut.count; ++i) values.push_back(all[static_cast<std::size_t>(cut.from + i * cut.step)]);
        if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) return remove_coordinates(axis);
        const auto from = static_cast<std::size_t>(cut.from), neighbour = from + 1 < all.size() ? from + 1 : from > 0 ? from - 1 : from;
        const double step = neighbour == from ? 1 : (all[neighbour] - all[from]) * (neighbour > from ? 1 : -1);
        coordinates_ = set_spectral_values(editor_, axis, values, spectral->kind(), std::isfinite(step) && step != 0 ? step : 1);
        if (!editor_.has("SPECSYS") && !spectral->spectral_frame().empty()) editor_.set("SPECSYS", spectral->spectral_frame());
    }

    void drop() {
        std::vector<int> dropped;
        bool spectral = false, celestial = false;
        for (int i = 1; i <= axis_count(); ++i) {
            if (!axes_[static_cast<std::size_t>(i - 1)].dropped) continue;
            dropped.push_back(i);
            spectral = spectral || i == image_.info.axes.spectral;
            celestial = celestial || !celestial_role(text("CTYPE", i)).empty();
        }
        // World axes that have no pixels of their own are degenerate too.
        const auto world = static_cast<int>(std::clamp(editor_.number("WCSAXES").value_or(0), 0.0, 9.0));
        for (int i = axis_count() + 1; !selection_.keep_degenerate && i <= world; ++i) {
            if (!editor_.is_coupled(i)) dropped.push_back(i);
        }
        static constexpr std::array of_spectral{"RESTFRQ", "RESTFREQ", "RESTWAV", "SPECSYS", "SSYSOBS", "SSYSSRC", "VELOSYS", "ZSOURCE", "VELREF", "VELANGL", "ALTRPIX", "ALTRVAL"};
        static constexpr std::array of_celestial{"LONPOLE", "LATPOLE"};
        editor_.remove_if([&](std::string_view keyword) {
            return (spectral && std::find(of_spectral.begin(), of_spectral.end(), keyword) != of_spectral.end()) ||
                   (celestial && std::find(of_celestial.begin(), of_celestial.end(), keyword) != of_celestial.end());
        });
        editor_.drop_axes(dropped);
    }

    /// Axes without coordinates before one that has some get those that the standard gives them anyway: verifiers complain of gaps.
    void complete_coordinates() {
        static constexpr std::array stems{"CTYPE", "CRPIX", "CRVAL"};
        const auto has_any = [&](int axis) { return std::any_of(stems.begin(), stems.end(), [&](const char* stem) { return editor_.has(stem + std::to_string(axis)); }); };
        int last = axis_count();
        while (last > 0 && !has_any(last)) --last;
        for (int axis = 1; axis <= last; ++axis) {
            for (const std::string stem : stems) {
                const std::string keyword = stem + std::to_string(axis);
                if (editor_.has(keyword)) continue;
                if (stem == "CTYPE") editor_.set(keyword, "");
                else editor_.set(keyword, 0.0);
            }
        }
    }

    const ImageToSave& image_;
    const SaveSelection& selection_;
    HeaderEditor editor_;
    std::vector<Axis> axes_;
    std::optional<FitsTableHdu> coordinates_;
    std::vector<std::string> warnings_;
};

} // namespace

SavedImage saved_image(const ImageToSave& image, const SaveSelection& selection) {
    SavedImage saved;
    saved.warnings = add_saved_image(saved.file, image, selection);
    return saved;
}

std::vector<std::string> add_saved_image(FitsFile& file, const ImageToSave& image, const SaveSelection& selection) { return SavedHeader(image, selection).add_to(file); }

} // namespace cubelink::imaging
