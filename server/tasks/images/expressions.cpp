#include "server/tasks/images/expressions.hpp"

#include "imaging/expressions/expression_image.hpp"
#include "imaging/expressions/open_expression.hpp"
#include "server/tasks/session_image.hpp"

#include <map>
#include <utility>
#include <vector>

namespace cubelink::server {

namespace {

/// Opens the files of one expression, each HDU once.
class Files {
public:
    Files(const rpc::Map& recipe, const MakeContext& context)
        : directory_(text_of_recipe(recipe, "directory")), support_aips_beam_(flag_of_recipe(recipe, "support_aips_beam")),
          context_(context) {}

    imaging::OpenedImage open(const std::string& name) {
        try {
            const auto [file, hdu] = split(name);
            const auto path = context_.settings.jail.open_file(directory_, file);
            const std::pair key(path.real_path, hdu);
            if (const auto known = opened_.find(key); known != opened_.end()) return known->second;
            icd::OpenFile request;
            request.set_directory(directory_);
            request.set_file(file);
            request.set_hdu(hdu);
            request.set_support_aips_beam(support_aips_beam_);
            auto image = open_image_file(context_, request).image;
            headers_.push_back(reserve_header(context_.budget, image, context_.cancel));
            return opened_[key] = std::move(image);
        } catch (const PathError& error) {
            throw imaging::ImageError(error.what());
        }
    }

private:
    std::pair<std::string, std::string> split(const std::string& name) const {
        const auto bracket = name.rfind('[');
        if (bracket == std::string::npos || bracket == 0 || name.back() != ']') return {name, ""};
        try {
            context_.settings.jail.open_file(directory_, name);
            return {name, ""};
        } catch (const PathError&) {
            return {name.substr(0, bracket), name.substr(bracket + 1, name.size() - bracket - 2)};
        }
    }

    const std::string directory_;
    const bool support_aips_beam_;
    const MakeContext& context_;
    std::map<std::pair<std::string, std::string>, imaging::OpenedImage> opened_;
    std::vector<imaging::Reservation> headers_; // until the image is made: it keeps none of them
};

} // namespace

rpc::Map expression_recipe(const icd::OpenFile& request) {
    return {{"kind", "expression"},
            {"directory", request.directory()},
            {"expression", request.file()},
            {"support_aips_beam", request.support_aips_beam()}};
}

imaging::OpenedImage make_of_expression(const rpc::Map& recipe, const MakeContext& context) {
    Files files(recipe, context);
    imaging::OpenOptions options;
    options.cancel = context.cancel;
    options.threads = context.threads;
    options.budget = &context.budget;
    return imaging::open_expression(
        text_of_recipe(recipe, "expression"), [&](const std::string& name) { return files.open(name); }, options);
}

void prepare_expression(const imaging::OpenedImage& image, const MakeContext& context) {
    const auto* expression = dynamic_cast<const imaging::ExpressionImage*>(image.source.get());
    if (expression) expression->prepare(context.threads, context.cancel, context.progress);
}

} // namespace cubelink::server
