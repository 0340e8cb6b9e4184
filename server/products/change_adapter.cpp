#include "server/products/change_adapter.hpp"

#include "server/products/cursor_data.hpp"
#include "server/products/plane_data.hpp"

namespace cubelink::server {

namespace {

class ChangeAdapter : public ChangeListener {
public:
    explicit ChangeAdapter(Session& session) : session_(session) {}

    void changed(const Change& change) override {
        using What = Change::What;
        const auto image = session_.image(change.file_id);
        if (!image) return;
        const auto session = session_.shared_from_this();
        switch (change.what) {
        case What::image_opened:
            send_plane_data(session, image);
            send_cursor_spectral(session, image);
            break;
        case What::plane:
            image->gates = std::make_shared<PlaneGates>();
            if (!change.channel_map) ++image->generation;
            if (change.stokes_changed) send_cursor_spectral(session, image, true);
            send_plane_data(session, image, change.stokes_changed);
            break;
        case What::cursor: send_cursor_all(session, image); break;
        case What::requirement: requirement_changed(session, image, change); break;
        default: break;
        }
    }
    void abandon(std::int32_t) override {}

private:
    static void requirement_changed(const SessionPtr& session, const ImagePtr& image, const Change& change) {
        switch (change.kind) {
        case RequirementKind::spatial: send_cursor_spatial(session, image); break;
        case RequirementKind::spectral: send_cursor_spectral(session, image); break;
        case RequirementKind::histogram: send_required_histograms(session, image); break;
        case RequirementKind::statistics: send_required_statistics(session, image); break;
        }
    }

    Session& session_;
};

} // namespace

std::unique_ptr<ChangeListener> make_change_adapter(Session& session) { return std::make_unique<ChangeAdapter>(session); }

} // namespace cubelink::server
