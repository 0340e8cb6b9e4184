#include "imaging/render/encode.hpp"

#include "imaging/render/palette.hpp"

#include <webp/encode.h>

#include <csetjmp>
#include <cstdio> // jpeglib.h needs it
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include <jpeglib.h>
#include <png.h>

namespace cubelink::imaging {

namespace {

/// The C libraries report errors by longjmp, over frames of theirs: what has a destructor lives outside of the functions that call setjmp.

Rgba over_black(const Rgba& p) {
    const auto part = [&](std::uint8_t c) { return static_cast<std::uint8_t>((c * p.a + 127) / 255); };
    return {part(p.r), part(p.g), part(p.b), 255};
}

class PngWriter {
public:
    PngWriter(const Picture& picture, const CancelToken& cancel)
        : picture_(picture), palette_(Palette::of(picture, cancel)), alpha_(!palette_ && !picture.opaque()), row_(static_cast<std::size_t>(picture.size().width) * 4) {
        png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
        if (png_) info_ = png_create_info_struct(png_);
        if (!info_) {
            png_destroy_write_struct(&png_, nullptr);
            throw std::bad_alloc();
        }
    }
    ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
    PngWriter(const PngWriter&) = delete;
    PngWriter& operator=(const PngWriter&) = delete;

    std::vector<std::uint8_t> write(const CancelToken& cancel) {
        run([](PngWriter& w) { w.begin(); });
        for (int y = 0; y < picture_.size().height; ++y) {
            if (y % 16 == 0) cancel.throw_if_cancelled();
            fill_row(picture_.row(y));
            run([](PngWriter& w) { png_write_row(w.png_, w.row_.data()); });
        }
        run([](PngWriter& w) { png_write_end(w.png_, nullptr); });
        return std::move(out_);
    }

private:
    void begin() {
        png_set_write_fn(png_, this, on_write, [](png_structp) {});
        const int colours = palette_ ? PNG_COLOR_TYPE_PALETTE : alpha_ ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_RGB;
        png_set_IHDR(png_, info_, static_cast<png_uint_32>(picture_.size().width), static_cast<png_uint_32>(picture_.size().height), 8, colours, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        if (palette_) set_palette();
        // Indices are no numbers to be subtracted. Of colours, a map's do not follow their neighbours' closely enough for the filters that take longer.
        png_set_filter(png_, PNG_FILTER_TYPE_BASE, palette_ ? PNG_FILTER_NONE : PNG_FILTER_SUB);
        png_set_compression_level(png_, 3);
        png_write_info(png_, info_);
    }
    void set_palette() {
        const auto& colours = palette_->colours();
        for (std::size_t i = 0; i < colours.size(); ++i) {
            entries_[i] = {colours[i].r, colours[i].g, colours[i].b};
            alphas_[i] = colours[i].a;
        }
        png_set_PLTE(png_, info_, entries_.data(), static_cast<int>(colours.size()));
        if (palette_->transparent() > 0) png_set_tRNS(png_, info_, alphas_.data(), static_cast<int>(palette_->transparent()), nullptr);
    }
    void fill_row(const Rgba* from) {
        auto* to = row_.data();
        if (palette_) return palette_->indices(from, picture_.size().width, to);
        if (alpha_) {
            std::memcpy(to, from, row_.size());
            return;
        }
        for (int x = 0; x < picture_.size().width; ++x, to += 3) to[0] = from[x].r, to[1] = from[x].g, to[2] = from[x].b;
    }
    void run(void (*step)(PngWriter&)) {
        if (!guarded(step)) {
            if (out_of_memory_) throw std::bad_alloc();
            throw std::runtime_error(std::string("PNG: ") + message_);
        }
    }
    bool guarded(void (*step)(PngWriter&)) {
        if (setjmp(png_jmpbuf(png_)) != 0) return false;
        step(*this);
        return true;
    }
    static void on_error(png_structp png, png_const_charp message) {
        auto& self = *static_cast<PngWriter*>(png_get_error_ptr(png));
        std::snprintf(self.message_, sizeof self.message_, "%s", message);
        png_longjmp(png, 1);
    }
    static void on_write(png_structp png, png_bytep data, png_size_t size) {
        auto& self = *static_cast<PngWriter*>(png_get_io_ptr(png));
        try {
            self.out_.insert(self.out_.end(), data, data + size);
        } catch (const std::exception&) {
            self.out_of_memory_ = true;
        }
        if (self.out_of_memory_) png_error(png, "out of memory");
    }

    const Picture& picture_;
    const std::optional<Palette> palette_;
    const bool alpha_;
    std::array<png_color, Palette::most> entries_{};
    std::array<png_byte, Palette::most> alphas_{};
    std::vector<std::uint8_t> row_, out_;
    png_structp png_ = nullptr;
    png_infop info_ = nullptr;
    bool out_of_memory_ = false;
    char message_[200] = "";
};

class JpegWriter {
public:
    JpegWriter(const Picture& picture, int quality) : picture_(picture), opaque_(picture.opaque()), quality_(quality), row_(opaque_ ? 0 : std::size_t(picture.size().width)) {
        jpeg_.err = jpeg_std_error(&errors_.base);
        errors_.base.error_exit = [](j_common_ptr jpeg) {
            auto& errors = *reinterpret_cast<Errors*>(jpeg->err);
            jpeg->err->format_message(jpeg, errors.message);
            std::longjmp(errors.back, 1);
        };
        errors_.base.output_message = [](j_common_ptr) {};
    }
    ~JpegWriter() { jpeg_destroy_compress(&jpeg_); }
    JpegWriter(const JpegWriter&) = delete;
    JpegWriter& operator=(const JpegWriter&) = delete;

    std::vector<std::uint8_t> write(const CancelToken& cancel) {
        run([](JpegWriter& w) { w.begin(); });
        for (int y = 0; y < picture_.size().height; ++y) {
            if (y % 16 == 0) cancel.throw_if_cancelled();
            // libjpeg does not write to its input.
            next_ = const_cast<Rgba*>(picture_.row(y));
            if (!opaque_) {
                for (std::size_t x = 0; x < row_.size(); ++x) row_[x] = over_black(picture_.row(y)[x]);
                next_ = row_.data();
            }
            run([](JpegWriter& w) {
                JSAMPROW row = reinterpret_cast<JSAMPROW>(w.next_);
                jpeg_write_scanlines(&w.jpeg_, &row, 1);
            });
        }
        run([](JpegWriter& w) { jpeg_finish_compress(&w.jpeg_); });
        return std::move(out_);
    }

private:
    struct Errors {
        jpeg_error_mgr base;
        std::jmp_buf back;
        char message[JMSG_LENGTH_MAX] = "";
    };
    void begin() {
        jpeg_create_compress(&jpeg_);
        // Not jpeg_mem_dest(): until the end it does not say where its buffer is, so that one that is given up could not be freed.
        jpeg_.client_data = this;
        jpeg_.dest = &destination_;
        destination_.init_destination = [](j_compress_ptr jpeg) { writer_of(jpeg).empty_buffer(); };
        destination_.empty_output_buffer = [](j_compress_ptr jpeg) -> boolean {
            writer_of(jpeg).keep(buffer_size);
            return TRUE;
        };
        destination_.term_destination = [](j_compress_ptr jpeg) { writer_of(jpeg).keep(buffer_size - jpeg->dest->free_in_buffer); };
        jpeg_.image_width = static_cast<JDIMENSION>(picture_.size().width);
        jpeg_.image_height = static_cast<JDIMENSION>(picture_.size().height);
        jpeg_.input_components = 4;
        jpeg_.in_color_space = JCS_EXT_RGBX;
        jpeg_set_defaults(&jpeg_);
        jpeg_set_quality(&jpeg_, quality_, TRUE);
        // Colour maps carry their meaning in the colours: they keep their resolution unless the picture is in a hurry.
        if (quality_ >= 85) jpeg_.comp_info[0].h_samp_factor = jpeg_.comp_info[0].v_samp_factor = 1;
        jpeg_start_compress(&jpeg_, TRUE);
    }
    static constexpr std::size_t buffer_size = 64 << 10;
    static JpegWriter& writer_of(j_compress_ptr jpeg) { return *static_cast<JpegWriter*>(jpeg->client_data); }
    void empty_buffer() {
        destination_.next_output_byte = buffer_.data();
        destination_.free_in_buffer = buffer_size;
    }
    void keep(std::size_t bytes) {
        try {
            out_.insert(out_.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(bytes));
        } catch (const std::exception&) {
            out_of_memory_ = true;
        }
        if (out_of_memory_) std::longjmp(errors_.back, 1);
        empty_buffer();
    }
    void run(void (*step)(JpegWriter&)) {
        if (guarded(step)) return;
        if (out_of_memory_) throw std::bad_alloc();
        throw std::runtime_error(std::string("JPEG: ") + errors_.message);
    }
    bool guarded(void (*step)(JpegWriter&)) {
        if (setjmp(errors_.back) != 0) return false;
        step(*this);
        return true;
    }

    const Picture& picture_;
    const bool opaque_;
    const int quality_;
    std::vector<Rgba> row_;
    Rgba* next_ = nullptr;
    jpeg_compress_struct jpeg_{};
    Errors errors_{};
    jpeg_destination_mgr destination_{};
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(buffer_size), out_;
    bool out_of_memory_ = false;
};

std::vector<std::uint8_t> webp(const Picture& picture, std::optional<int> quality, const CancelToken& cancel) {
    WebPConfig config;
    WebPPicture webp;
    if (!WebPConfigInit(&config) || !WebPPictureInit(&webp)) throw std::runtime_error("WebP: libwebp is of another version than its headers");
    config.method = 2; // 0 (fast) to 6
    if (quality) {
        config.quality = static_cast<float>(*quality);
    } else {
        config.lossless = 1;
        config.exact = 1; // also the colours of what is transparent
        config.method = 0;
        config.quality = 20; // of a lossless file: effort
    }
    const std::unique_ptr<WebPPicture, void (*)(WebPPicture*)> freed(&webp, WebPPictureFree);
    webp.use_argb = quality ? 0 : 1;
    webp.width = picture.size().width;
    webp.height = picture.size().height;
    struct Sink {
        std::vector<std::uint8_t> bytes;
        const CancelToken& cancel;
    } sink{{}, cancel};
    webp.custom_ptr = webp.user_data = &sink;
    webp.writer = [](const std::uint8_t* data, std::size_t size, const WebPPicture* of) {
        auto& bytes = static_cast<Sink*>(of->custom_ptr)->bytes;
        try {
            bytes.insert(bytes.end(), data, data + size);
        } catch (const std::exception&) {
            return 0;
        }
        return 1;
    };
    webp.progress_hook = [](int, const WebPPicture* of) { return static_cast<Sink*>(of->user_data)->cancel.cancelled() ? 0 : 1; };
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(picture.row(0));
    const int stride = picture.size().width * 4;
    if (!(picture.opaque() ? WebPPictureImportRGBX(&webp, pixels, stride) : WebPPictureImportRGBA(&webp, pixels, stride))) throw std::bad_alloc();
    if (!WebPEncode(&config, &webp)) {
        cancel.throw_if_cancelled();
        if (webp.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY || webp.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY) throw std::bad_alloc();
        throw std::runtime_error("WebP: error " + std::to_string(webp.error_code) + " of libwebp");
    }
    return std::move(sink.bytes);
}

} // namespace

std::optional<PictureFormat> picture_format_named(std::string_view name) {
    std::string lower(name);
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    if (lower == "jpg") return PictureFormat::jpeg;
    for (std::size_t i = 0; i < picture_format_names.size(); ++i)
        if (picture_format_names[i] == lower) return static_cast<PictureFormat>(i);
    return {};
}

std::size_t encoding_bytes(const PictureSize& size, const Encoding& encoding) {
    const auto pixels = static_cast<std::size_t>(size.pixels());
    constexpr std::size_t small = 1 << 20;
    switch (encoding.format) {
    case PictureFormat::png: return small + 4 * pixels + pixels / 64; // noise does not get smaller
    case PictureFormat::jpeg: return small + 6 * pixels;              // what the library has, and a copy
    case PictureFormat::webp: return small + (encoding.quality ? 8 : 28) * pixels;
    }
    return small;
}

std::vector<std::uint8_t> encode(const Picture& picture, const Encoding& encoding, const CancelToken& cancel) {
    switch (encoding.format) {
    case PictureFormat::png: return PngWriter(picture, cancel).write(cancel);
    case PictureFormat::jpeg: return JpegWriter(picture, encoding.quality.value_or(default_jpeg_quality)).write(cancel);
    case PictureFormat::webp: return webp(picture, encoding.quality, cancel);
    }
    throw std::logic_error("no such format of pictures");
}

} // namespace cubelink::imaging
