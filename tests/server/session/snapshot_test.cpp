#include "server/session/snapshot.hpp"

#include "rpc/error.hpp"
#include "tests/support/random_seed.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <doctest/doctest.h>

using namespace cubelink;
using namespace cubelink::server;

namespace {

std::string random_text(std::mt19937& random) {
    static const std::string pieces[] = {"a", "Ptotalz", "/", "..", "\"", "\\", "ä", "\xF0\x9F\x9A\x80", "\n", std::string(1, '\0'), " "};
    std::string text;
    for (auto n = random() % 6; n > 0; --n) text += pieces[random() % std::size(pieces)];
    return text;
}

std::int32_t random_int(std::mt19937& random) { return static_cast<std::int32_t>(random()); }

Requirements random_list(std::mt19937& random) {
    const auto n = 1 + random() % 3;
    switch (random() % 6) {
    case 0: return std::vector(n, SpatialRequirement{random_text(random), random_int(random), random_int(random), random_int(random), random_int(random)});
    case 1: return std::vector(n, SpectralRequirement{random_text(random), {random_int(random), 3}});
    case 2: return std::vector(n, StatsRequirement{random_text(random), {}});
    case 3:
        return std::vector(n, ContourRequirement{random_int(random), {1, 2, 3, random_int(random)}, {-0.1, 1e300}, 2, random_int(random), 4, 8, random_int(random)});
    case 4: {
        VectorRequirement vectors{{random_int(random), 2, 3, 4}, random_int(random), random() % 2 == 0, random() % 2 == 0, std::nullopt, 14, 0.1, 1e-30, -1, 1, 2, 11.5f};
        if (random() % 2 == 0) vectors.threshold = 0.3;
        return std::vector(n, vectors);
    }
    default:
        HistogramRequirement histogram{random_text(random), random_int(random), random() % 2 == 0, random_int(random), random() % 2 == 0, 0, 0};
        histogram.min = -std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 1000) - 500);
        histogram.max = std::numeric_limits<double>::max();
        return std::vector(n, histogram);
    }
}

SavedSession random_session(std::mt19937& random) {
    SavedSession saved;
    for (auto n = random() % 5; n > 0; --n)
        saved.objects.push_back({{"file", random_text(random)}, {"cursor", rpc::Array{-0.0, random_int(random)}}, {"kind", random_text(random)}, {"id", random_int(random)}});
    for (auto n = random() % 5; n > 0; --n) {
        auto list = random_list(random);
        const auto kind = static_cast<RequirementKind>(list.index());
        saved.requirements.push_back({{random_int(random), random_int(random), kind, 0}, std::move(list)});
    }
    saved.next_ids["image"] = random_int(random);
    if (random() % 2) saved.cursor_file = random_int(random);
    return saved;
}

/// As a server of version 1 wrote it.
constexpr const char* version_1 =
    R"({"version":1,"images":[{"file_id":0,"directory":"a/b","file":"image.fits","hdu":"0","support_aips_beam":false,"channel":0,"stokes":0,)"
    R"("cursor":null,"cursor_spatial":[],"cursor_spectral":[],"histograms":[],"statistics":[]},)"
    R"({"file_id":3,"directory":"","file":"cube.fits","hdu":"1","support_aips_beam":true,"channel":7,"stokes":2,"cursor":[5,6.5],)"
    R"("cursor_spatial":[{"coordinate":"x","start":0,"end":100,"mip":2},{"coordinate":"Qy","start":1,"end":0,"mip":0}],)"
    R"("cursor_spectral":[{"coordinate":"z","stats_types":[2]}],)"
    R"("histograms":[{"coordinate":"z","channel":-1,"fixed_num_bins":true,"num_bins":50,"fixed_bounds":true,"min":-1.5,"max":2}],)"
    R"("statistics":[{"coordinate":"Iz","stats_types":[1,2,3]}]}],"next_file_id":4,"cursor_file":3})";

} // namespace

TEST_CASE("a snapshot comes back as it was") {
    std::mt19937 random(17);
    for (int round = 0; round < 300; ++round) {
        const auto saved = random_session(random);
        const auto text = to_text(saved);
        const auto back = saved_session_of(text);
        CHECK(to_text(back) == text);
        CHECK(back.version == snapshot_version);
        CHECK(back.requirements == saved.requirements);
        CHECK(back.next_ids == saved.next_ids);
        CHECK(back.cursor_file == saved.cursor_file);
        REQUIRE(back.objects.size() == saved.objects.size());
    }
}

TEST_CASE("a snapshot of version 1 is migrated") {
    const auto saved = saved_session_of(version_1);
    CHECK(saved.version == 1);
    REQUIRE(saved.objects.size() == 2);
    CHECK(saved.objects[0] == rpc::Map{{"kind", "image"}, {"id", 0}, {"file_id", 0}, {"directory", "a/b"}, {"file", "image.fits"}, {"hdu", "0"},
                                       {"support_aips_beam", false}, {"channel", 0}, {"stokes", 0}, {"cursor", nullptr}});
    const auto& cube = saved.objects[1];
    CHECK(*cube.find("id") == rpc::Value(3));
    CHECK(*cube.find("file") == rpc::Value("cube.fits"));
    CHECK(*cube.find("hdu") == rpc::Value("1"));
    CHECK(*cube.find("support_aips_beam") == rpc::Value(true));
    CHECK(*cube.find("channel") == rpc::Value(7));
    CHECK(*cube.find("stokes") == rpc::Value(2));
    CHECK(cube.find("cursor")->get_if<rpc::Array>()->size() == 2);
    CHECK(saved.next_ids == std::map<std::string, std::int32_t>{{"image", 4}});
    CHECK(saved.cursor_file == 3);
    std::map<RequirementKey, Requirements> requirements;
    for (const auto& [key, list] : saved.requirements)
        if (key.file_id == 3) requirements.emplace(key, list);
    using Kind = RequirementKind;
    CHECK(requirements.at({3, cursor_region, Kind::spatial, 0}) == Requirements(std::vector<SpatialRequirement>{{"x", 0, 100, 2, 0}, {"Qy", 1, 0, 0, 0}}));
    CHECK(requirements.at({3, cursor_region, Kind::spectral, 0}) == Requirements(std::vector<SpectralRequirement>{{"z", {2}}}));
    CHECK(requirements.at({3, image_region, Kind::histogram, 0}) == Requirements(std::vector<HistogramRequirement>{{"z", -1, true, 50, true, -1.5, 2}}));
    CHECK(requirements.at({3, image_region, Kind::statistics, 0}) == Requirements(std::vector<StatsRequirement>{{"Iz", {1, 2, 3}}}));
    // Saved again, it is one of today's.
    CHECK(saved_session_of(to_text(saved)).version == snapshot_version);
    CHECK(saved_session_of(to_text(saved)).requirements.size() == saved.requirements.size());
}

TEST_CASE("of what a newer version has saved, what is known is taken") {
    const auto saved = saved_session_of(
        R"({"version": 9, "objects": [{"kind": "hologram", "id": 1, "x": {}}, {"kind": "image", "id": 2, "new": []}],)"
        R"("requirements": [{"file_id": 2, "region_id": 0, "kind": "smell", "list": 5}, {"file_id": 2, "region_id": 0, "kind": "spectral",)"
        R"( "list": [{"coordinate": "z", "stats_types": [], "new": 1}]}], "next_ids": {"hologram": 2}, "cursor_file": null, "mood": "good"})");
    CHECK(saved.version == 9);
    CHECK(saved.objects.size() == 2);
    CHECK(saved.requirements.size() == 1);
}

TEST_CASE("an object or a requirement that is wrong is left out, and named; the others are taken") {
    const std::string good = R"({"kind": "image", "id": 2})";
    for (const std::string bad : {"1", "null", R"({"kind": 1, "id": 1})", R"({"kind": "image"})", R"({"id": 1})", R"({"kind": "image", "id": "x"})",
                                  R"({"kind": "image", "id": 1e10})", R"({"kind": "image", "id": 1.5})"}) {
        CAPTURE(bad);
        const auto saved = saved_session_of(R"({"version": 2, "objects": [)" + bad + "," + good + "," + bad + R"(], "requirements": [], "next_ids": {}, "cursor_file": null})");
        REQUIRE(saved.objects.size() == 1);
        CHECK(saved.objects[0] == rpc::Map{{"kind", "image"}, {"id", 2}});
        REQUIRE(saved.left_out.size() == 2);
        CHECK(saved.left_out[0].starts_with("snapshot.objects[0]"));
        CHECK(saved.left_out[1].starts_with("snapshot.objects[2]"));
    }
    const auto requirements = saved_session_of(R"({"version": 2, "objects": [], "requirements": [{"kind": "spatial"}, 5,)"
                                               R"( {"file_id": 2, "region_id": 0, "kind": "spectral", "list": [{"coordinate": "z", "stats_types": []}]}], "next_ids": {}, "cursor_file": null})");
    CHECK(requirements.requirements.size() == 1);
    CHECK(requirements.left_out.size() == 2);
    const auto old = saved_session_of(R"({"version": 1, "images": [{}, {"file_id": 3, "file": "a.fits"}], "next_file_id": 4, "cursor_file": null})");
    REQUIRE(old.objects.size() == 1);
    CHECK(*old.objects[0].find("id") == rpc::Value(3));
    CHECK(old.left_out.size() == 1);
}

TEST_CASE("what is no snapshot is refused, and nothing else happens") {
    for (const char* text : {"", "{", "[]", "null", "{}", R"({"version": 3, "images": [], "next_file_id": 0})", R"({"version": 1, "images": {}, "next_file_id": 0})",
                             R"({"version": 1, "images": [], "next_file_id": "x"})",
                             R"({"version": 1, "images": [], "next_file_id": 99999999999})", R"({"version": 0, "images": [], "next_file_id": 0})",
                             R"({"version": -1})", R"({"version": "2"})", R"({"version": 2, "objects": 1, "requirements": [], "next_ids": {}})",
                             R"({"version": 2, "objects": [], "requirements": [], "next_ids": {"image": 1e10}})"})
        CHECK_THROWS_AS(saved_session_of(text), rpc::CallError);
    const auto seed = cubelink::test::random_seed();
    MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 4000; ++round) {
        auto text = random() % 2 ? std::string(version_1) : to_text(random_session(random));
        for (auto n = 1 + random() % 3; n > 0; --n) text[random() % text.size()] = "{}[],:\"0a"[random() % 9];
        try {
            saved_session_of(text);
        } catch (const rpc::CallError&) {}
    }
}
