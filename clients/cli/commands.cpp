#include "clients/cli/commands.hpp"

#include "clients/cli/exit_status.hpp"
#include "clients/cli/output.hpp"
#include "clients/cli/run.hpp"
#include "clients/cli/texts.hpp"

namespace cubelink::cli {
namespace {

const Argument file{"FILE", Takes::text, "an image's path below the server's folder"};
const Option hdu{"hdu", 0, Takes::text, "HDU", "the HDU of a FITS file, as `info` names it; the first with an image if absent"};
const Option stokes_index{"stokes", 0, Takes::integer, "INDEX", "the index on the polarization axis; 0 if absent"};
const Option rest_frequency{"rest-frequency", 0, Takes::number, "HZ", "the rest frequency instead of the header's"};
const Option session{"session", 0, Takes::integer, "ID", "joins this session instead of making one"};
const Option region{"region", 'r', Takes::text, "REGION", "a region in pixels or on the sky, or @FILE with regions of DS9 or CASA; `cubelink-cli statistics --help` describes them"};
const Option output{"output", 'o', Takes::local_file, "FILE", "the file to write; - is standard output"};

std::vector<std::string> choices_of_moments() {
    std::vector<std::string> names;
    for (const auto& [name, number] : moment_names()) names.push_back(name);
    return names;
}

std::vector<Command> commands() {
    return {
        {"list", "lists images and folders",
         {"By name, folders first; these end with a slash."},
         {{"FOLDER", Takes::text, "a path below the server's folder; that folder if absent", false}},
         {{"long", 'l', Takes::nothing, "", "also types, sizes in bytes and dates"}},
         {{"cubelink-cli list -l survey/2024", "what a folder has"}},
         run_list},
        {"info", "tells what an image is",
         {"Axes, coordinates, frame, units and beam, for each HDU of the file with an image."},
         {file},
         {hdu},
         {{"cubelink-cli info --json cube.fits | jq '.hdus[].channels'", "the number of channels"}},
         run_info},
        {"header", "prints the header, or the values of keywords",
         {"With keywords it prints their values alone, one on a line, and fails if one is missing."},
         {file, {"KEYWORD", Takes::text, "a keyword, such as OBJECT", false, true}},
         {hdu},
         {{"cubelink-cli header cube.fits OBJECT RESTFRQ", "two values, each on its line"}},
         run_header},
        {"picture", "saves a plane of an image as a picture",
         {"Drawn by the server as the viewer draws it; of a large image means of pixels."},
         {file},
         {output,
          {"format", 0, Takes::choice, "FORMAT", "by the ending of the file's name, or png, if absent", {"png", "jpeg", "webp"}},
          {"size", 0, Takes::text, "SIZE", "pixels of the longer side, or WIDTHxHEIGHT; those of the image, at most 1024, if absent"},
          {"channel", 'c', Takes::integer, "INDEX", "the channel; 0 if absent"},
          {"stokes", 0, Takes::text, "STOKES", "an index, or a name such as Q or Plinear"},
          {"percentile", 'p', Takes::number, "PERCENT", "how much of the values lies within the colour map; 99.5 if absent"},
          {"limits", 0, Takes::range, "LOW:HIGH", "the values at the ends of the colour map instead"},
          {"stretch", 0, Takes::choice, "STRETCH", "how values become brightness, auto if absent", {"auto", "linear", "log", "sqrt", "asinh"}},
          {"colour-map", 0, Takes::choice, "MAP", "Inferno if absent", {"Grey", "Viridis", "Inferno", "Heat", "Rainbow", "Ocean", "Blue-red", "Cubehelix"}},
          {"invert", 'i', Takes::nothing, "", "the colour map from its end"},
          {"grid", 0, Takes::choice, "FRAME", "lines of equal longitude and latitude", {"ICRS", "FK5", "FK4", "GALACTIC", "ECLIPTIC"}},
          {"beam", 0, Takes::nothing, "", "the beam, in the lower left corner"},
          hdu},
         {{"cubelink-cli picture map.fits --size 800 --grid ICRS --beam -o map.png", "a picture for a talk"}},
         run_picture},
        {"tile", "saves a tile of an image as a PNG picture",
         {"Layer 0 is the whole plane in one tile of at most 256 × 256 pixels; each further layer has twice as many in both directions. The picture is grey, "
          "north (the last row) up, and transparent where pixels are blank."},
         {file},
         {output,
          {"layer", 0, Takes::integer, "LAYER", "0, the coarsest, if absent"},
          {"x", 0, Takes::integer, "COLUMN", "the tile's column, from 0"},
          {"y", 0, Takes::integer, "ROW", "the tile's row, from 0 at the bottom"},
          {"channel", 'c', Takes::integer, "INDEX", "the channel; 0 if absent"},
          stokes_index,
          {"percentile", 'p', Takes::number, "PERCENT", "how much of the values lies between black and white; 99.5 if absent"},
          {"stretch", 0, Takes::choice, "STRETCH", "how values become brightness, linear if absent", {"linear", "sqrt", "log", "asinh"}},
          {"invert", 'i', Takes::nothing, "", "dark on white"},
          hdu},
         {{"cubelink-cli tile cube.fits -c 64 --stretch asinh -o preview.png", "a preview of a channel"}},
         run_tile},
        {"spectrum", "prints the spectrum of a pixel or of regions as CSV",
         {"The columns are channel, the axis of --axis, and the exact value; of several regions a value for each. Units stand in the first line. Blanks are nan."},
         {file, {"X", Takes::number, "the pixel's column from 0, or the longitude in degrees with --frame", false},
          {"Y", Takes::number, "the pixel's row from 0, or the latitude in degrees with --frame", false}},
         {{"frame", 'f', Takes::choice, "FRAME", "X and Y are a position on the sky in this frame; the nearest pixel is taken", {"ICRS", "FK5", "FK4", "GALACTIC", "ECLIPTIC"}},
          {"axis", 'a', Takes::choice, "AXIS", "what a channel is told in besides its index",
           {"channel", "frequency", "wavelength", "air_wavelength", "velocity_radio", "velocity_optical", "velocity_relativistic"}},
          {"spectral-frame", 0, Takes::choice, "FRAME", "the frame of rest of --axis, for the direction of the pixel (of regions: of the image's middle); the header's own if absent",
           {"TOPOCENT", "GEOCENTR", "BARYCENT", "HELIOCEN", "LSRK", "LSRD", "GALACTOC", "LOCALGRP", "CMBDIPOL"}},
          rest_frequency, region,
          {"statistic", 0, Takes::choice, "STATISTIC", "what a value is of a region's pixels, Mean if absent", {"Mean", "Sum", "FluxDensity", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema", "NumPixels"}},
          stokes_index, output, hdu},
         {{"cubelink-cli spectrum cube.fits 83.63 22.01 -f ICRS -a velocity_radio > spectrum.csv", "a spectrum against velocity"},
          {"cubelink-cli spectrum cube.fits -r @sources.reg --statistic FluxDensity", "the flux densities of sources that were marked in DS9"}},
         run_spectrum},
        {"statistics", "prints statistics of a plane, of regions, of several channels",
         {"Of the finite pixels of the first channel, unless --channels names others.",
          "A region is circle(X,Y,RADIUS), ellipse(X,Y,A,B[,ANGLE]), box(X,Y,WIDTH,HEIGHT[,ANGLE]), polygon(X1,Y1,…), line(X1,Y1,X2,Y2) or point(X,Y), in pixels counted from 0, the angle "
          "in degrees from the x axis to A or WIDTH; or text in the format of DS9 (\"fk5; circle(83.63,22.01,30\\\")\", where image pixels are counted from 1) or of CASA "
          "(\"circle[[83.63deg,22.01deg],30arcsec]\"); or @FILE with such text, @- for standard input. Of several regions there is a column for each."},
         {file},
         {{"type", 't', Takes::text, "NAME", "Mean, Sigma, Median, MAD, Percentile:97.5, …; see image.statistics in the reference. The ten usual ones if absent", {}, true},
          {"channels", 'c', Takes::text, "CHANNELS", "a channel, or FROM:TO, the latter excluded"},
          {"stokes", 0, Takes::text, "STOKES", "an index, or a name such as Q or Plinear"},
          {"percentile", 'p', Takes::number, "PERCENT", "a percentile", {}, true},
          {"region", 'r', Takes::text, "REGION", "a region, or @FILE with regions, as described above"},
          {"box", 'b', Takes::text, "X,Y,WIDTH,HEIGHT", "a rectangle's centre and sizes in pixels"},
          hdu},
         {{"cubelink-cli statistics cube.fits -t MAD -c 0:10", "the noise in the first ten channels"},
          {"cubelink-cli statistics map.fits -t FluxDensity -r 'circle(256,256,20)'", "the flux density of a source"}},
         run_statistics},
        {"moments", "makes moment images, and prints what they hold",
         {"They exist as long as the command runs; --save keeps them in a FITS file on the server, each as an image extension."},
         {file},
         {{"moment", 'm', Takes::choice, "MOMENT", "what to make, integrated if absent", choices_of_moments(), true},
          {"channels", 'c', Takes::text, "FROM:TO", "the channels, TO excluded; all if absent"},
          {"include", 0, Takes::range, "LOW:HIGH", "only pixels with these values"},
          {"exclude", 0, Takes::range, "LOW:HIGH", "no pixels with these values"},
          rest_frequency, region,
          {"save", 0, Takes::text, "PATH", "a file below the server's folder"},
          {"overwrite", 0, Takes::nothing, "", "replaces a file that exists"},
          hdu},
         {{"cubelink-cli moments cube.fits -m integrated -m velocity -c 20:40 --save products/m01.fits", "two moments of a line"}},
         run_moments},
        {"watch", "prints the messages of topics",
         {"Each message is one line of JSON: {\"topic\": …, \"message\": …}. A lost connection is made again. It ends after --count messages, after --timeout (exit status 5), or "
          "when it is interrupted."},
         {{"TOPIC", Takes::text, "a topic, such as session.changed", true, true}},
         {{"count", 'n', Takes::integer, "NUMBER", "ends after so many messages"},
          {"filter", 0, Takes::text, "JSON", "fields and values that messages must have"},
          session},
         {{"cubelink-cli watch session.changed --session 17", "what happens in a session that a page has open"}},
         run_watch},
        {"call", "calls any method, and prints its result as JSON",
         {"Arguments are JSON values, or NAME=JSON, or @FILE with JSON in it (@- is standard input). Bytes are printed as {\"base64\": …}, NaN as null. The methods are listed "
          "by `cubelink-cli call server.info` and in the reference."},
         {{"METHOD", Takes::text, "a method, such as server.info"}, {"JSON", Takes::text, "an argument", false, true}},
         {session, {"no-session", 0, Takes::nothing, "", "does not register, for methods that need no session"}},
         {{"cubelink-cli call carta.file.list.request '{\"directory\": \"survey\"}'", "a call with one argument"},
          {"cubelink-cli call store.get kind='\"preferences\"' name='\"theme\"'", "a call with named arguments"}},
         run_call},
        {"completion", "prints a script that completes command lines",
         {"For bash: source <(cubelink-cli completion bash)."},
         {{"SHELL", Takes::choice, "the shell", true, false, {"bash", "zsh", "fish"}}},
         {},
         {},
         [](const Parsed& parsed) {
             print(completion(program(), parsed.text("SHELL")));
             return exit_status::success;
         }},
        {"manual", "prints the manual page",
         {"To read it: cubelink-cli manual | man -l -"},
         {},
         {},
         {},
         [](const Parsed&) {
             print(manual_page(program()));
             return exit_status::success;
         }},
    };
}

} // namespace

const Program& program() {
    static const Program definition{
        "cubelink-cli",
        "0.1.0",
        "astronomical images of a Cubelink server on the command line",
        {"It connects to a server, does one thing, and ends. Results go to standard output, as tables or CSV for people and other programs, or as JSON with --json; errors go to standard "
         "error, as one line of text, or with --json as {\"error\": {\"status\", \"code\", \"message\"}}.",
         "Progress is shown only where standard error is a terminal."},
        {{"server", 's', Takes::text, "ADDRESS", "the server: the address that it printed, or ws://HOST:PORT/ws"},
         {"token-file", 0, Takes::local_file, "FILE", "a file with the server's token in its first line"},
         {"json", 'j', Takes::nothing, "", "results and errors as JSON"},
         {"timeout", 0, Takes::number, "SECONDS", "gives up after so many seconds; never if 0 or absent"},
         {"quiet", 'q', Takes::nothing, "", "no progress and no remarks"},
         {"help", 'h', Takes::nothing, "", "prints help, of a command if one is named"},
         {"version", 'V', Takes::nothing, "", "prints the version"}},
        commands(),
        {{exit_status::success, "success"},
         {exit_status::failed, "the server refused, or could not do it"},
         {exit_status::usage, "the command line makes no sense"},
         {exit_status::no_connection, "no connection could be made, or it was lost"},
         {exit_status::not_authenticated, "the token is missing or wrong"},
         {exit_status::out_of_time, "--timeout has passed"},
         {exit_status::not_written, "the output could not be written"},
         {exit_status::interrupted, "interrupted by SIGINT or SIGTERM"}},
        {{"CUBELINK_SERVER", "the server, if --server is absent; else it is http://localhost:1234/"},
         {"CUBELINK_AUTHKEY", "the token, if neither the address nor --token-file has one. An address with a token can be seen by other users of the machine when it is an argument"}},
    };
    return definition;
}

} // namespace cubelink::cli
