#pragma once
/// A format of the tests' own: a line "cubelink test image WIDTH HEIGHT DEPTH STOKES", then little-endian floats. It is read into memory.

#include "imaging/source/format.hpp"
#include "imaging/source/memory_image.hpp"

#include <bit>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace cubelink::imaging::test {

inline std::string text_image(const ImageShape& shape, const std::vector<float>& pixels) {
    static_assert(std::endian::native == std::endian::little);
    std::string bytes = "cubelink test image " + std::to_string(shape.width) + " " + std::to_string(shape.height) + " " + std::to_string(shape.depth) + " " +
                        std::to_string(shape.stokes) + "\n";
    bytes.append(reinterpret_cast<const char*>(pixels.data()), pixels.size() * sizeof(float));
    return bytes;
}

class TextFormat final : public ImageFormat {
public:
    const std::string& name() const override { return name_; }
    const std::vector<std::string>& extensions() const override { return extensions_; }
    bool recognises(const FileProbe& probe) const override {
        // An image may be a folder, whose file "image" has the pixels.
        return (probe.is_folder ? probe.bytes_of("image", 19) : probe.first_bytes).starts_with("cubelink test image");
    }
    OpenedImage open(const std::string& path, const std::string& hdu, const OpenOptions& options) const override {
        OpenedImage opened;
        opened.info = read_info(path, hdu, options);
        if (options.budget == nullptr) throw std::logic_error("images of this format need a budget");
        auto image = std::make_shared<MemoryImage>(opened.info.shape, *options.budget, options.cancel);
        std::ifstream file(file_of(path), std::ios::binary);
        std::string line;
        std::getline(file, line);
        for (std::int32_t stokes = 0; stokes < opened.info.shape.stokes; ++stokes) {
            for (std::int32_t channel = 0; channel < opened.info.shape.depth; ++channel) {
                const auto pixels = image->plane({channel, stokes});
                if (!file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size_bytes()))) throw ImageError(opened.info.name + ": cut off");
            }
        }
        opened.source = std::move(image);
        return opened;
    }
    ImageInfo read_info(const std::string& path, const std::string&, const OpenOptions& options) const override {
        std::ifstream file(file_of(path), std::ios::binary);
        std::string line, word;
        std::getline(file, line);
        std::istringstream words(line);
        ImageInfo info;
        info.name = options.name;
        words >> word >> word >> word >> info.shape.width >> info.shape.height >> info.shape.depth >> info.shape.stokes;
        if (!words) throw ImageError(options.name + ": its first line does not say its size");
        return info;
    }
    std::vector<ImageInfo> read_all_info(const std::string& path, const OpenOptions& options, std::size_t* left_out) const override {
        if (left_out != nullptr) *left_out = 0;
        return {read_info(path, "", options)};
    }

private:
    static std::string file_of(const std::string& path) { return std::ifstream(path + "/image") ? path + "/image" : path; }
    const std::string name_ = "Test";
    const std::vector<std::string> extensions_{".test"};
};

} // namespace cubelink::imaging::test
