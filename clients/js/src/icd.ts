/**
 * The ICD's messages, calls and topics. Made by tools/generate-icd.mjs from rpc/icd/*.proto: not to be edited.
 *
 * Field names are the ICD's. Enumerations come by name (a number that has no name as a number); 64-bit integers come as numbers.
 * A message within a message may be unset: it is absent then.
 */
import type { CallOptions } from "./session.js";

/** Fields of a message that is sent: each may be left out, and then has protobuf's default. Bytes may be what Client.addAttachment() returned. */
export type Fields<T> = T extends Uint8Array ? unknown : T extends (infer Item)[] ? Fields<Item>[] : T extends object ? { [Key in keyof T]?: Fields<T[Key]> } : T;

/** Whether REGISTER_VIEWER made a session or attached to a living one. */
export type SessionType = "NEW" | "RESUMED" | number;

/** What a file is, by content or by name. */
export type FileType = "CASA" | "CRTF" | "DS9_REG" | "FITS" | "HDF5" | "MIRIAD" | "UNKNOWN" | number;

/** How the client draws an image; the server makes no difference. */
export type RenderMode = "RASTER" | "CONTOUR" | number;

/** How pixels of a tile travel. ZFP: headerless, two-dimensional, float, fixed precision. SZ is not used. */
export type CompressionType = "NONE" | "ZFP" | "SZ" | number;

/** Shapes of regions. Those whose name begins with ANN are annotations: kept and exported, never analysed. */
export type RegionType = "POINT" | "LINE" | "POLYLINE" | "RECTANGLE" | "ELLIPSE" | "ANNULUS" | "POLYGON" | "ANNPOINT" | "ANNLINE" | "ANNPOLYLINE" | "ANNRECTANGLE" | "ANNELLIPSE" | "ANNPOLYGON" | "ANNVECTOR" | "ANNRULER" | "ANNTEXT" | "ANNCOMPASS" | number;

/** What is done to the image before contours are traced. */
export type SmoothingMode = "NoSmoothing" | "BlockAverage" | "GaussianBlur" | number;

/** Statistics over the finite pixels of a plane or region. */
export type StatsType = "NumPixels" | "NanCount" | "Sum" | "FluxDensity" | "Mean" | "RMS" | "Sigma" | "SumSq" | "Min" | "Max" | "Extrema" | "Blc" | "Trc" | "MinPos" | "MaxPos" | "Blcf" | "Trcf" | "MinPosf" | "MaxPosf" | number;

/** Severity of ERROR_DATA. */
export type ErrorSeverity = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | number;

/** Type of a header entry's value. */
export type EntryType = "STRING" | "FLOAT" | "INT" | number;

/** Bits of REGISTER_VIEWER's client_feature_flags. */
export type ClientFeatureFlags = "CLIENT_FEATURE_NONE" | "WEB_GL" | "WEB_GL_2" | "WEB_ASSEMBLY" | "WEB_ASSEMBLY_THREADS" | "OFFSCREEN_CANVAS" | number;

/** Bits of REGISTER_VIEWER_ACK's server_feature_flags. */
export type ServerFeatureFlags = "SERVER_FEATURE_NONE" | "SZ_COMPRESSION" | "HEVC_COMPRESSION" | "NVENC_COMPRESSION" | "READ_ONLY" | "USER_PREFERENCES" | "USER_LAYOUTS" | "SCRIPTING" | number;

/** Bits of OPEN_FILE_ACK's file_feature_flags. */
export type FileFeatureFlags = "FILE_FEATURE_NONE" | "ROTATED_DATASET" | "CHANNEL_HISTOGRAMS" | "CUBE_HISTOGRAMS" | "CHANNEL_STATS" | "MEAN_IMAGE" | "MIP_DATASET" | number;

/** Coordinates in an exported region file. */
export type CoordinateType = "PIXEL" | "WORLD" | number;

/** Formats of source catalogues. */
export type CatalogFileType = "FITSTable" | "VOTable" | "Unknown" | number;

/** Element type of a catalogue's column. UnsupportedType columns have a header and no data. */
export type ColumnType = "UnsupportedType" | "String" | "Uint8" | "Int8" | "Uint16" | "Int16" | "Uint32" | "Int32" | "Uint64" | "Int64" | "Float" | "Double" | "Bool" | number;

/** How a filter compares a column with its value; the ranges also use the secondary value. */
export type ComparisonOperator = "Equal" | "NotEqual" | "Lesser" | "Greater" | "LessorOrEqual" | "GreaterOrEqual" | "RangeOpen" | "RangeClosed" | number;

/** Order of a filtered catalogue. */
export type SortingType = "Ascending" | "Descending" | number;

/** Moments of a cube along an axis, numbered as they are here. */
export type Moment = "MEAN_OF_THE_SPECTRUM" | "INTEGRATED_OF_THE_SPECTRUM" | "INTENSITY_WEIGHTED_COORD" | "INTENSITY_WEIGHTED_DISPERSION_OF_THE_COORD" | "MEDIAN_OF_THE_SPECTRUM" | "MEDIAN_COORDINATE" | "STD_ABOUT_THE_MEAN_OF_THE_SPECTRUM" | "RMS_OF_THE_SPECTRUM" | "ABS_MEAN_DEVIATION_OF_THE_SPECTRUM" | "MAX_OF_THE_SPECTRUM" | "COORD_OF_THE_MAX_OF_THE_SPECTRUM" | "MIN_OF_THE_SPECTRUM" | "COORD_OF_THE_MIN_OF_THE_SPECTRUM" | number;

/** The axis that is collapsed. */
export type MomentAxis = "SPECTRAL" | "STOKES" | number;

/** Whether MOMENT_REQUEST's pixel range is used, and which side of it counts. */
export type MomentMask = "None" | "Include" | "Exclude" | number;

/** Stokes parameters and correlations; from Ptotal on, polarisations that are computed from I, Q, U and V. */
export type PolarizationType = "POLARIZATION_TYPE_NONE" | "I" | "Q" | "U" | "V" | "RR" | "LL" | "RL" | "LR" | "XX" | "YY" | "XY" | "YX" | "Ptotal" | "Plinear" | "PFtotal" | "PFlinear" | "Pangle" | number;

/** Which kind of listing reports progress or is stopped. */
export type FileListType = "Image" | "Catalog" | number;

/** How a listing decides what a file is: by content, by extension, or every file. */
export type FileListFilterMode = "Content" | "Extension" | "AllFiles" | number;

/** Axis of a profile along a line: offset from its centre, or distance from its start. */
export type ProfileAxisType = "Offset" | "Distance" | number;

/** Symbols of point annotations. */
export type PointAnnotationShape = "SQUARE" | "BOX" | "CIRCLE" | "CIRCLE_LINED" | "DIAMOND" | "DIAMOND_LINED" | "CROSS" | "X" | number;

/** Where the text stands in a text annotation. */
export type TextAnnotationPosition = "CENTER" | "UPPER_LEFT" | "UPPER_RIGHT" | "LOWER_LEFT" | "LOWER_RIGHT" | "TOP" | "BOTTOM" | "LEFT" | "RIGHT" | number;

/** Linear solver used in the fit. */
export type FittingSolverType = "Qr" | "Cholesky" | "Mcholesky" | "Svd" | number;

/** A position or size in pixels; integer coordinates are pixel centres, counted from 0. */
export interface Point {
  x: number;
  y: number;
}

/** A position or size in pixels, in double precision. */
export interface DoublePoint {
  x: number;
  y: number;
}

/** A file in a listing. Date in seconds of Unix time, size in bytes. */
export interface FileInfo {
  name: string;
  type: FileType;
  size: number;
  HDU_list: string[];
  date: number;
}

/** A folder in a listing. item_count is -1 if it can't be read. */
export interface DirectoryInfo {
  name: string;
  item_count: number;
  date: number;
}

/** What an image is: lengths of its axes, header cards, and entries computed from them for people to read. */
export interface FileInfoExtended {
  dimensions: number;
  width: number;
  height: number;
  depth: number;
  stokes: number;
  stokes_vals: string[];
  header_entries: HeaderEntry[];
  computed_entries: HeaderEntry[];
  axes_numbers?: AxesNumbers | null;
}

/** One header card, or one computed line of information. */
export interface HeaderEntry {
  name: string;
  value: string;
  entry_type: EntryType;
  numeric_value: number;
  comment: string;
}

/** Which axis of the file is which, counted from 1; 0 where there is none. */
export interface AxesNumbers {
  spatial_x: number;
  spatial_y: number;
  spectral: number;
  stokes: number;
  depth: number;
}

/** An inclusive range of integers. */
export interface IntBounds {
  min: number;
  max: number;
}

/** A range of numbers. */
export interface FloatBounds {
  min: number;
  max: number;
}

/** A range of numbers, in double precision. */
export interface DoubleBounds {
  min: number;
  max: number;
}

/** A rectangle of the image, in pixels. */
export interface ImageBounds {
  x_min: number;
  x_max: number;
  y_min: number;
  y_max: number;
}

/** One frame of an animation. */
export interface AnimationFrame {
  channel: number;
  stokes: number;
}

/** Values along x, y or a line. raw_values_fp32: little-endian float32. */
export interface SpatialProfile {
  start: number;
  end: number;
  raw_values_fp32: Uint8Array;
  coordinate: string;
  mip: number;
  line_axis?: LineProfileAxis | null;
}

/** The axis of a profile along a line or polyline, as a FITS axis would be described. */
export interface LineProfileAxis {
  axis_type: ProfileAxisType;
  crpix: number;
  crval: number;
  cdelt: number;
  unit: string;
}

/** Values along the spectral axis, little-endian; raw_values_fp64 for regions, raw_values_fp32 for the cursor. NaN: not computed yet, or blank. */
export interface SpectralProfile {
  coordinate: string;
  stats_type: StatsType;
  raw_values_fp32: Uint8Array;
  raw_values_fp64: Uint8Array;
}

/** One statistic; NaN where it can't be computed. */
export interface StatisticsValue {
  stats_type: StatsType;
  value: number;
}

/** Counts of pixels in bins of equal width, with the mean and the sample standard deviation of all finite pixels. */
export interface Histogram {
  num_bins: number;
  bin_width: number;
  first_bin_center: number;
  bins: number[];
  mean: number;
  std_dev: number;
}

/** What a histogram is to be made of. num_bins -1 is automatic; channel -1 is the current one. */
export interface HistogramConfig {
  coordinate: string;
  channel: number;
  fixed_num_bins: boolean;
  num_bins: number;
  fixed_bounds: boolean;
  bounds?: DoubleBounds | null;
}

/** A region's shape. What the control points mean depends on the type; rotation in degrees, counter-clockwise. */
export interface RegionInfo {
  region_type: RegionType;
  control_points: Point[];
  rotation: number;
}

/** How a region is drawn; goes into region files. */
export interface RegionStyle {
  name: string;
  color: string;
  line_width: number;
  dash_list: number[];
  annotation_style?: AnnotationStyle | null;
}

/** The rest of the style of an annotation. */
export interface AnnotationStyle {
  point_shape: PointAnnotationShape;
  point_width: number;
  text_label0: string;
  text_label1: string;
  coordinate_system: string;
  is_north_arrow: boolean;
  is_east_arrow: boolean;
  text_position: TextAnnotationPosition;
  font_style: string;
  font: string;
  font_size: number;
}

/** A catalogue file in a listing, and its description. */
export interface CatalogFileInfo {
  name: string;
  type: CatalogFileType;
  file_size: number;
  description: string;
  coosys: Coosys[];
  date: number;
}

/** A coordinate system of a VOTable. */
export interface Coosys {
  equinox: string;
  epoch: string;
  system: string;
}

/** One column of a catalogue. column_index stays that of the file. */
export interface CatalogHeader {
  name: string;
  data_type: ColumnType;
  column_index: number;
  description: string;
  units: string;
}

/** Values of one column: string_data for strings, else binary_data, little-endian and packed; Bool one byte each. */
export interface ColumnData {
  data_type: ColumnType;
  string_data: string[];
  binary_data: Uint8Array;
}

/** One condition on a column; all must hold. */
export interface FilterConfig {
  column_name: string;
  comparison_operator: ComparisonOperator;
  value: number;
  secondary_value: number;
  sub_string: string;
}

/** Columns to be compared with the bounds of an image. */
export interface CatalogImageBounds {
  x_column_name: string;
  y_column_name: string;
  image_bounds?: ImageBounds | null;
}

/** For each frame of an animation the channel, not necessarily whole, of a matched image. */
export interface MatchedFrameList {
  frame_numbers: number[];
}

/** A restoring beam: axes in arcseconds, angle in degrees. Channel and stokes -1: it holds for all. */
export interface Beam {
  channel: number;
  stokes: number;
  major_axis: number;
  minor_axis: number;
  pa: number;
}

/** Progress of a long listing. */
export interface ListProgress {
  file_list_type: FileListType;
  percentage: number;
  checked_count: number;
  total_count: number;
}

/** Pixels of one tile, row by row from the bottom. nan_encodings: int32 run lengths, valid first, then blank, and so on. */
export interface TileData {
  layer: number;
  x: number;
  y: number;
  width: number;
  height: number;
  image_data: Uint8Array;
  nan_encodings: Uint8Array;
  mip: number;
}

/** An elliptical Gaussian: centre and widths at half maximum in pixels, angle in degrees from +y counter-clockwise. */
export interface GaussianComponent {
  center?: DoublePoint | null;
  amp: number;
  fwhm?: DoublePoint | null;
  pa: number;
}

/** A position-velocity preview: the sub-cube, how much it is averaged, and how the picture is compressed. */
export interface PvPreviewSettings {
  preview_id: number;
  region_id: number;
  rebin_xy: number;
  rebin_z: number;
  compression_type: CompressionType;
  image_compression_quality: number;
  animation_compression_quality: number;
}

/** Plays frames at a rate, with tiles of the view and all that depends on channel and stokes. */
export interface StartAnimation {
  file_id: number;
  first_frame?: AnimationFrame | null;
  start_frame?: AnimationFrame | null;
  last_frame?: AnimationFrame | null;
  delta_frame?: AnimationFrame | null;
  frame_rate: number;
  looping: boolean;
  reverse: boolean;
  required_tiles?: AddRequiredTiles | null;
  matched_frames: Record<string | number, MatchedFrameList>;
  stokes_indices: number[];
}

/** Carries the id that the animation's tiles have. */
export interface StartAnimationAck {
  success: boolean;
  message: string;
  animation_id: number;
}

/** The frame that the client has shown last; the server keeps a small distance to it. */
export interface AnimationFlowControl {
  file_id: number;
  received_frame?: AnimationFrame | null;
  animation_id: number;
  timestamp: number;
}

/** Ends the animation as soon as possible. */
export interface StopAnimation {
  file_id: number;
  end_frame?: AnimationFrame | null;
}

/** The view of a file: tile codes (layer << 24 | y << 12 | x), in order of urgency. */
export interface AddRequiredTiles {
  file_id: number;
  tiles: number[];
  compression_type: CompressionType;
  compression_quality: number;
  current_tiles: number[];
}

/** Tiles that are no longer wanted. */
export interface RemoveRequiredTiles {
  file_id: number;
  tiles: number[];
}

/** The channel whose tiles have arrived in a channel map. */
export interface ChannelMapFlowControl {
  file_id: number;
  received_channel: number;
}

/** Closes a file; -1 closes all. */
export interface CloseFile {
  file_id: number;
}

/** Opens several files, a polarisation each, as one image. */
export interface ConcatStokesFiles {
  stokes_files: StokesFile[];
  file_id: number;
  render_mode: RenderMode;
}

/** One file of such an image. */
export interface StokesFile {
  directory: string;
  file: string;
  hdu: string;
  polarization_type: PolarizationType;
}

/** Answer to CONCAT_STOKES_FILES. */
export interface ConcatStokesFilesAck {
  success: boolean;
  message: string;
  open_file_ack?: OpenFileAck | null;
}

/** Opens an image under an id that the client chooses; an id in use is replaced. */
export interface OpenFile {
  directory: string;
  file: string;
  hdu: string;
  file_id: number;
  render_mode: RenderMode;
  lel_expr: boolean;
  support_aips_beam: boolean;
}

/** What was opened. Its histogram follows unasked. */
export interface OpenFileAck {
  success: boolean;
  file_id: number;
  message: string;
  file_info: FileInfo;
  file_info_extended: FileInfoExtended;
  file_feature_flags: number;
  beam_table: Beam[];
}

/** Levels and treatment of a file's contours; no levels: none. */
export interface SetContourParameters {
  file_id: number;
  reference_file_id: number;
  image_bounds?: ImageBounds | null;
  levels: number[];
  smoothing_mode: SmoothingMode;
  smoothing_factor: number;
  decimation_factor: number;
  compression_level: number;
  contour_chunk_size: number;
  channel_range?: IntBounds | null;
  /** Ours, not the ICD's: lines lie within this region; 0: anywhere. */
  region_id: number;
}

/** Writes regions to a file, or, without a file name, returns them as text. */
export interface ExportRegion {
  type: FileType;
  coord_type: CoordinateType;
  file_id: number;
  region_styles: Record<string | number, RegionStyle>;
  directory: string;
  file: string;
  overwrite: boolean;
}

/** Answer to EXPORT_REGION. */
export interface ExportRegionAck {
  success: boolean;
  message: string;
  contents: string[];
  overwrite_confirmation_required: boolean;
}

/** Reads regions from a file or from the text in contents. */
export interface ImportRegion {
  group_id: number;
  type: FileType;
  directory: string;
  file: string;
  contents: string[];
}

/** The regions that were read, by their new ids. */
export interface ImportRegionAck {
  success: boolean;
  message: string;
  regions: Record<string | number, RegionInfo>;
  region_styles: Record<string | number, RegionStyle>;
}

/** Opens a catalogue. Catalogues have ids of their own. */
export interface OpenCatalogFile {
  directory: string;
  name: string;
  file_id: number;
  preview_data_size: number;
}

/** The catalogue's columns, its number of rows and the first of them. */
export interface OpenCatalogFileAck {
  success: boolean;
  message: string;
  file_id: number;
  file_info?: CatalogFileInfo | null;
  data_size: number;
  headers: CatalogHeader[];
  preview_data: Record<string | number, ColumnData>;
}

/** Closes a catalogue. */
export interface CloseCatalogFile {
  file_id: number;
}

/** Which statistics of a region (-1: the image) are kept up to date; replaces the former set. */
export interface SetStatsRequirements {
  file_id: number;
  region_id: number;
  stats_configs: SetStatsRequirementsStatsConfig[];
}

/** Statistics of one polarisation (coordinate: "z" for the current one, "Iz", "Qz"…). */
export interface SetStatsRequirementsStatsConfig {
  coordinate: string;
  stats_types: StatsType[];
}

/** Which histograms of a region (-1: the image, -2: the cube) are kept up to date. */
export interface SetHistogramRequirements {
  file_id: number;
  region_id: number;
  histograms: HistogramConfig[];
}

/** Which spatial profiles of the cursor (0) or a region are kept up to date; replaces the former set. */
export interface SetSpatialRequirements {
  file_id: number;
  region_id: number;
  spatial_profiles: SetSpatialRequirementsSpatialConfig[];
}

/** A profile along x, y or a line; end exclusive, 0 for the axis's length; mip 2 and more is decimated. */
export interface SetSpatialRequirementsSpatialConfig {
  coordinate: string;
  start: number;
  end: number;
  mip: number;
  width: number;
}

/** Which spectra of the cursor (0) or a region are kept up to date; replaces the former set. */
export interface SetSpectralRequirements {
  file_id: number;
  region_id: number;
  spectral_profiles: SetSpectralRequirementsSpectralConfig[];
}

/** Spectra of one polarisation, one for each statistic. */
export interface SetSpectralRequirementsSpectralConfig {
  coordinate: string;
  stats_types: StatsType[];
}

/** Makes a region (id -1) or changes one. */
export interface SetRegion {
  file_id: number;
  region_id: number;
  region_info?: RegionInfo | null;
  preview_region: boolean;
}

/** The region's id. */
export interface SetRegionAck {
  success: boolean;
  message: string;
  region_id: number;
}

/** Removes a region and what was required of it. */
export interface RemoveRegion {
  region_id: number;
}

/** The first message of a client: a new session (id 0) or one to attach to. */
export interface RegisterViewer {
  session_id: number;
  api_key: string;
  client_feature_flags: number;
}

/** The session, what the server can do, and the user's preferences and layouts as JSON text. */
export interface RegisterViewerAck {
  session_id: number;
  success: boolean;
  message: string;
  session_type: SessionType;
  server_feature_flags: number;
  user_preferences: Record<string, string>;
  user_layouts: Record<string, string>;
  platform_strings: Record<string, string>;
}

/** An image as it was in the session that is resumed. */
export interface ImageProperties {
  directory: string;
  file: string;
  lel_expr: boolean;
  hdu: string;
  file_id: number;
  render_mode: RenderMode;
  channel: number;
  stokes: number;
  regions: Record<string | number, RegionInfo>;
  contour_settings?: SetContourParameters | null;
  stokes_files: StokesFile[];
  support_aips_beam: boolean;
  vector_overlay_settings?: SetVectorOverlayParameters | null;
}

/** What a client had open, after it has lost its server. */
export interface ResumeSession {
  images: ImageProperties[];
  catalog_files: OpenCatalogFile[];
}

/** Says what could not be resumed. */
export interface ResumeSessionAck {
  success: boolean;
  message: string;
}

/** Polarisation vectors over an image; smoothing_factor is the block size in pixels. */
export interface SetVectorOverlayParameters {
  file_id: number;
  image_bounds?: ImageBounds | null;
  smoothing_factor: number;
  fractional: boolean;
  threshold: number;
  debiasing: boolean;
  q_error: number;
  u_error: number;
  stokes_intensity: number;
  stokes_angle: number;
  compression_type: CompressionType;
  compression_quality: number;
  threshold_option: PolarizationType;
}

/** Moves the cursor of a file. spatial_requirements is a relic. */
export interface SetCursor {
  file_id: number;
  point?: Point | null;
  spatial_requirements?: SetSpatialRequirements | null;
}

/** Changes channel and stokes of a file, with the view's tiles; or, with ranges, tiles of a channel map. */
export interface SetImageChannels {
  file_id: number;
  channel: number;
  stokes: number;
  required_tiles?: AddRequiredTiles | null;
  channel_range?: IntBounds | null;
  current_range?: IntBounds | null;
  channel_map_enabled: boolean;
}

/** Cancels the moments of a file. */
export interface StopMomentCalc {
  file_id: number;
}

/** Cancels the position-velocity image of a file. */
export interface StopPvCalc {
  file_id: number;
}

/** Cancels the loading of a preview. */
export interface StopPvPreview {
  preview_id: number;
}

/** Frees a preview. */
export interface ClosePvPreview {
  preview_id: number;
}

/** Asks what a catalogue file is. */
export interface CatalogFileInfoRequest {
  directory: string;
  name: string;
}

/** A catalogue's description and columns. */
export interface CatalogFileInfoResponse {
  success: boolean;
  message: string;
  file_info?: CatalogFileInfo | null;
  headers: CatalogHeader[];
}

/** Lists catalogues in a folder. */
export interface CatalogListRequest {
  directory: string;
  filter_mode: FileListFilterMode;
}

/** Catalogues and folders. */
export interface CatalogListResponse {
  success: boolean;
  message: string;
  directory: string;
  parent: string;
  files: CatalogFileInfo[];
  subdirectories: DirectoryInfo[];
  cancel: boolean;
}

/** Asks what an image file is; without an HDU, all of its images. */
export interface FileInfoRequest {
  directory: string;
  file: string;
  hdu: string;
  support_aips_beam: boolean;
}

/** The file's images, by the name of their HDU. */
export interface FileInfoResponse {
  success: boolean;
  message: string;
  file_info: FileInfo;
  file_info_extended: Record<string, FileInfoExtended>;
}

/** Lists images in a folder; "$BASE" is the starting folder. */
export interface FileListRequest {
  directory: string;
  filter_mode: FileListFilterMode;
}

/** Images and folders. */
export interface FileListResponse {
  success: boolean;
  message: string;
  directory: string;
  parent: string;
  files: FileInfo[];
  subdirectories: DirectoryInfo[];
  cancel: boolean;
}

/** Stops the listing that runs. */
export interface StopFileList {
  file_list_type: FileListType;
}

/** Fits Gaussians to the current plane of an image, or to a region of it. */
export interface FittingRequest {
  file_id: number;
  initial_values: GaussianComponent[];
  fixed_params: boolean[];
  region_id: number;
  fov_info?: RegionInfo | null;
  create_model_image: boolean;
  create_residual_image: boolean;
  offset: number;
  solver: FittingSolverType;
}

/** The fitted components, their errors, and the log. */
export interface FittingResponse {
  success: boolean;
  message: string;
  result_values: GaussianComponent[];
  result_errors: GaussianComponent[];
  log: string;
  model_image?: OpenFileAck | null;
  residual_image?: OpenFileAck | null;
  offset_value: number;
  offset_error: number;
  integrated_flux_values: number[];
  integrated_flux_errors: number[];
}

/** Progress of a fit, 0 to 1. */
export interface FittingProgress {
  file_id: number;
  progress: number;
}

/** Cancels the fit of a file. */
export interface StopFitting {
  file_id: number;
}

/** Collapses a range of channels into moment images. */
export interface MomentRequest {
  file_id: number;
  moments: Moment[];
  axis: MomentAxis;
  region_id: number;
  spectral_range?: IntBounds | null;
  mask: MomentMask;
  pixel_range?: FloatBounds | null;
  keep: boolean;
  rest_freq: number;
  /** Ours, not the ICD's: values below so many times their channel's noise are left out (negative: values above); 0: none. */
  noise_threshold: number;
  /** Coordinates are blank where moment 0 is not above so many times its noise; 0: nowhere. */
  moment0_threshold: number;
  /** Ours too: all of the moments are also written as one FITS file of that name, an extension each; empty: no file. */
  output_directory: string;
  output_file: string;
  /** Whether that file replaces one that is there. */
  overwrite: boolean;
}

/** The images that were made, opened under ids of the server's choice. */
export interface MomentResponse {
  success: boolean;
  message: string;
  open_file_acks: OpenFileAck[];
  cancel: boolean;
}

/** Progress of moments, 0 to 1. */
export interface MomentProgress {
  file_id: number;
  progress: number;
}

/** Cuts a position-velocity image along a line, or starts a preview of one. */
export interface PvRequest {
  file_id: number;
  region_id: number;
  width: number;
  spectral_range?: IntBounds | null;
  reverse: boolean;
  keep: boolean;
  preview_settings?: PvPreviewSettings | null;
}

/** The image that was made, or the preview. */
export interface PvResponse {
  success: boolean;
  message: string;
  open_file_ack?: OpenFileAck | null;
  preview_data?: PvPreviewData | null;
  cancel: boolean;
}

/** Progress of a position-velocity image, 0 to 1. */
export interface PvProgress {
  file_id: number;
  preview_id: number;
  progress: number;
}

/** Asks for the text of a region file. */
export interface RegionFileInfoRequest {
  directory: string;
  file: string;
}

/** The text, line by line. */
export interface RegionFileInfoResponse {
  success: boolean;
  message: string;
  file_info?: FileInfo | null;
  contents: string[];
}

/** Lists region files in a folder. */
export interface RegionListRequest {
  directory: string;
  filter_mode: FileListFilterMode;
}

/** Region files and folders. */
export interface RegionListResponse {
  success: boolean;
  message: string;
  directory: string;
  parent: string;
  files: FileInfo[];
  subdirectories: DirectoryInfo[];
  cancel: boolean;
}

/** Asks for an image from a HiPS survey. */
export interface RemoteFileRequest {
  file_id: number;
  hips: string;
  wcs: string;
  width: number;
  height: number;
  projection: string;
  fov: number;
  ra: number;
  dec: number;
  coordsys: string;
  rotation_angle: number;
  object: string;
}

/** Answer to REMOTE_FILE_REQUEST. */
export interface RemoteFileResponse {
  success: boolean;
  message: string;
  open_file_ack?: OpenFileAck | null;
}

/** Writes an image, or a part of it, to a file. Ranges are [first, last, step]. */
export interface SaveFile {
  file_id: number;
  output_file_directory: string;
  output_file_name: string;
  output_file_type: FileType;
  region_id: number;
  channels: number[];
  stokes: number[];
  keep_degenerate: boolean;
  rest_freq: number;
  overwrite: boolean;
}

/** Answer to SAVE_FILE. */
export interface SaveFileAck {
  file_id: number;
  success: boolean;
  message: string;
  overwrite_confirmation_required: boolean;
}

/** Asks the client to do something for a script. */
export interface ScriptingRequest {
  scripting_request_id: number;
  target: string;
  action: string;
  parameters: string;
  async: boolean;
  return_path: string;
}

/** What came of it, with the request's id. */
export interface ScriptingResponse {
  scripting_request_id: number;
  success: boolean;
  message: string;
  response: string;
}

/** The picture of a position-velocity preview; pixels as in TileData. */
export interface PvPreviewData {
  preview_id: number;
  image_info?: FileInfoExtended | null;
  image_data: Uint8Array;
  nan_encodings: Uint8Array;
  width: number;
  height: number;
  compression_type: CompressionType;
  compression_quality: number;
  histogram_bounds?: FloatBounds | null;
  histogram?: Histogram | null;
}

/** Filters and sorts a catalogue and asks for rows of the result. */
export interface CatalogFilterRequest {
  file_id: number;
  column_indices: number[];
  filter_configs: FilterConfig[];
  subset_data_size: number;
  subset_start_index: number;
  image_bounds?: CatalogImageBounds | null;
  image_file_id: number;
  region_id: number;
  sort_column: string;
  sorting_type: SortingType;
}

/** A chunk of those rows; progress 1 is the last. */
export interface CatalogFilterResponse {
  file_id: number;
  image_file_id: number;
  region_id: number;
  columns: Record<string | number, ColumnData>;
  subset_data_size: number;
  subset_end_index: number;
  progress: number;
  filter_data_size: number;
  request_end_index: number;
}

/** Contours of some levels, in chunks. */
export interface ContourImageData {
  file_id: number;
  reference_file_id: number;
  image_bounds?: ImageBounds | null;
  channel: number;
  stokes: number;
  contour_sets: ContourSet[];
  progress: number;
}

/** Polylines of one level. Vertices carry +0.5: the centre of pixel (0, 0) is (0.5, 0.5). */
export interface ContourSet {
  level: number;
  decimation_factor: number;
  raw_coordinates: Uint8Array;
  raw_start_indices: Uint8Array;
  uncompressed_coordinates_size: number;
}

/** Something to be logged by the client. */
export interface ErrorData {
  severity: ErrorSeverity;
  tags: string[];
  message: string;
  data: string;
}

/** Stands before and after a set of tiles; tile_count is exact. */
export interface RasterTileSync {
  file_id: number;
  channel: number;
  stokes: number;
  sync_id: number;
  animation_id: number;
  tile_count: number;
  end_sync: boolean;
}

/** Tiles of a view, with the sync_id of their set. */
export interface RasterTileData {
  file_id: number;
  channel: number;
  stokes: number;
  compression_type: CompressionType;
  compression_quality: number;
  sync_id: number;
  animation_id: number;
  tiles: TileData[];
}

/** A histogram of a region, of the image (-1) or of the cube (-2). */
export interface RegionHistogramData {
  file_id: number;
  region_id: number;
  channel: number;
  stokes: number;
  histograms?: Histogram | null;
  progress: number;
  config?: HistogramConfig | null;
}

/** Statistics of a region or of the image (-1). */
export interface RegionStatsData {
  file_id: number;
  region_id: number;
  channel: number;
  stokes: number;
  statistics: StatisticsValue[];
}

/** The value at the cursor or point, and profiles through it. */
export interface SpatialProfileData {
  file_id: number;
  region_id: number;
  x: number;
  y: number;
  channel: number;
  stokes: number;
  value: number;
  profiles: SpatialProfile[];
}

/** Spectra at the cursor (0) or of a region, perhaps not complete yet: progress 1 is the last. */
export interface SpectralProfileData {
  file_id: number;
  region_id: number;
  stokes: number;
  progress: number;
  profiles: SpectralProfile[];
}

/** One tile of polarisation intensity and angle (degrees); a component that is not used has no data. */
export interface VectorOverlayTileData {
  file_id: number;
  channel: number;
  stokes_intensity: number;
  stokes_angle: number;
  compression_type: CompressionType;
  compression_quality: number;
  intensity_tiles: TileData[];
  angle_tiles: TileData[];
  progress: number;
}

/** The messages from client to server: each is a call, answered when the server has taken it. One whose answer says `success: false` rejects. */
export interface Carta {
  /** The first message of a client: a new session (id 0) or one to attach to. */
  registerViewer(fields?: Fields<RegisterViewer>, options?: CallOptions): Promise<RegisterViewerAck>;
  /** Lists images in a folder; "$BASE" is the starting folder. */
  fileListRequest(fields?: Fields<FileListRequest>, options?: CallOptions): Promise<FileListResponse>;
  /** Asks what an image file is; without an HDU, all of its images. */
  fileInfoRequest(fields?: Fields<FileInfoRequest>, options?: CallOptions): Promise<FileInfoResponse>;
  /** Opens an image under an id that the client chooses; an id in use is replaced. */
  openFile(fields?: Fields<OpenFile>, options?: CallOptions): Promise<OpenFileAck>;
  /** Changes channel and stokes of a file, with the view's tiles; or, with ranges, tiles of a channel map. */
  setImageChannels(fields?: Fields<SetImageChannels>, options?: CallOptions): Promise<null>;
  /** Moves the cursor of a file. spatial_requirements is a relic. */
  setCursor(fields?: Fields<SetCursor>, options?: CallOptions): Promise<null>;
  /** Which spatial profiles of the cursor (0) or a region are kept up to date; replaces the former set. */
  setSpatialRequirements(fields?: Fields<SetSpatialRequirements>, options?: CallOptions): Promise<null>;
  /** Which histograms of a region (-1: the image, -2: the cube) are kept up to date. */
  setHistogramRequirements(fields?: Fields<SetHistogramRequirements>, options?: CallOptions): Promise<null>;
  /** Which statistics of a region (-1: the image) are kept up to date; replaces the former set. */
  setStatsRequirements(fields?: Fields<SetStatsRequirements>, options?: CallOptions): Promise<null>;
  /** Makes a region (id -1) or changes one. */
  setRegion(fields?: Fields<SetRegion>, options?: CallOptions): Promise<SetRegionAck>;
  /** Removes a region and what was required of it. */
  removeRegion(fields?: Fields<RemoveRegion>, options?: CallOptions): Promise<null>;
  /** Closes a file; -1 closes all. */
  closeFile(fields?: Fields<CloseFile>, options?: CallOptions): Promise<null>;
  /** Which spectra of the cursor (0) or a region are kept up to date; replaces the former set. */
  setSpectralRequirements(fields?: Fields<SetSpectralRequirements>, options?: CallOptions): Promise<null>;
  /** Plays frames at a rate, with tiles of the view and all that depends on channel and stokes. */
  startAnimation(fields?: Fields<StartAnimation>, options?: CallOptions): Promise<StartAnimationAck>;
  /** Ends the animation as soon as possible. */
  stopAnimation(fields?: Fields<StopAnimation>, options?: CallOptions): Promise<null>;
  /** The frame that the client has shown last; the server keeps a small distance to it. */
  animationFlowControl(fields?: Fields<AnimationFlowControl>, options?: CallOptions): Promise<null>;
  /** The view of a file: tile codes (layer << 24 | y << 12 | x), in order of urgency. */
  addRequiredTiles(fields?: Fields<AddRequiredTiles>, options?: CallOptions): Promise<null>;
  /** Tiles that are no longer wanted. */
  removeRequiredTiles(fields?: Fields<RemoveRequiredTiles>, options?: CallOptions): Promise<null>;
  /** Lists region files in a folder. */
  regionListRequest(fields?: Fields<RegionListRequest>, options?: CallOptions): Promise<RegionListResponse>;
  /** Asks for the text of a region file. */
  regionFileInfoRequest(fields?: Fields<RegionFileInfoRequest>, options?: CallOptions): Promise<RegionFileInfoResponse>;
  /** Reads regions from a file or from the text in contents. */
  importRegion(fields?: Fields<ImportRegion>, options?: CallOptions): Promise<ImportRegionAck>;
  /** Writes regions to a file, or, without a file name, returns them as text. */
  exportRegion(fields?: Fields<ExportRegion>, options?: CallOptions): Promise<ExportRegionAck>;
  /** Levels and treatment of a file's contours; no levels: none. */
  setContourParameters(fields?: Fields<SetContourParameters>, options?: CallOptions): Promise<null>;
  /** What a client had open, after it has lost its server. */
  resumeSession(fields?: Fields<ResumeSession>, options?: CallOptions): Promise<ResumeSessionAck>;
  /** Lists catalogues in a folder. */
  catalogListRequest(fields?: Fields<CatalogListRequest>, options?: CallOptions): Promise<CatalogListResponse>;
  /** Asks what a catalogue file is. */
  catalogFileInfoRequest(fields?: Fields<CatalogFileInfoRequest>, options?: CallOptions): Promise<CatalogFileInfoResponse>;
  /** Opens a catalogue. Catalogues have ids of their own. */
  openCatalogFile(fields?: Fields<OpenCatalogFile>, options?: CallOptions): Promise<OpenCatalogFileAck>;
  /** Closes a catalogue. */
  closeCatalogFile(fields?: Fields<CloseCatalogFile>, options?: CallOptions): Promise<null>;
  /** Filters and sorts a catalogue and asks for rows of the result. */
  catalogFilterRequest(fields?: Fields<CatalogFilterRequest>, options?: CallOptions): Promise<null>;
  /** What came of it, with the request's id. */
  scriptingResponse(fields?: Fields<ScriptingResponse>, options?: CallOptions): Promise<null>;
  /** Collapses a range of channels into moment images. */
  momentRequest(fields?: Fields<MomentRequest>, options?: CallOptions): Promise<MomentResponse>;
  /** Cancels the moments of a file. */
  stopMomentCalc(fields?: Fields<StopMomentCalc>, options?: CallOptions): Promise<null>;
  /** Writes an image, or a part of it, to a file. Ranges are [first, last, step]. */
  saveFile(fields?: Fields<SaveFile>, options?: CallOptions): Promise<SaveFileAck>;
  /** Opens several files, a polarisation each, as one image. */
  concatStokesFiles(fields?: Fields<ConcatStokesFiles>, options?: CallOptions): Promise<ConcatStokesFilesAck>;
  /** Stops the listing that runs. */
  stopFileList(fields?: Fields<StopFileList>, options?: CallOptions): Promise<null>;
  /** Cuts a position-velocity image along a line, or starts a preview of one. */
  pvRequest(fields?: Fields<PvRequest>, options?: CallOptions): Promise<PvResponse>;
  /** Cancels the position-velocity image of a file. */
  stopPvCalc(fields?: Fields<StopPvCalc>, options?: CallOptions): Promise<null>;
  /** Fits Gaussians to the current plane of an image, or to a region of it. */
  fittingRequest(fields?: Fields<FittingRequest>, options?: CallOptions): Promise<FittingResponse>;
  /** Polarisation vectors over an image; smoothing_factor is the block size in pixels. */
  setVectorOverlayParameters(fields?: Fields<SetVectorOverlayParameters>, options?: CallOptions): Promise<null>;
  /** Cancels the fit of a file. */
  stopFitting(fields?: Fields<StopFitting>, options?: CallOptions): Promise<null>;
  /** Cancels the loading of a preview. */
  stopPvPreview(fields?: Fields<StopPvPreview>, options?: CallOptions): Promise<null>;
  /** Frees a preview. */
  closePvPreview(fields?: Fields<ClosePvPreview>, options?: CallOptions): Promise<null>;
  /** Asks for an image from a HiPS survey. */
  remoteFileRequest(fields?: Fields<RemoteFileRequest>, options?: CallOptions): Promise<RemoteFileResponse>;
  /** The channel whose tiles have arrived in a channel map. */
  channelMapFlowControl(fields?: Fields<ChannelMapFlowControl>, options?: CallOptions): Promise<null>;
}

/** The messages that the server sends unasked, by the topics on which they come. */
export interface CartaTopics {
  "carta.region.histogram.data": RegionHistogramData;
  "carta.spatial.profile.data": SpatialProfileData;
  "carta.spectral.profile.data": SpectralProfileData;
  "carta.region.stats.data": RegionStatsData;
  "carta.error.data": ErrorData;
  "carta.raster.tile.data": RasterTileData;
  "carta.contour.image.data": ContourImageData;
  "carta.raster.tile.sync": RasterTileSync;
  "carta.catalog.filter.response": CatalogFilterResponse;
  "carta.scripting.request": ScriptingRequest;
  "carta.moment.progress": MomentProgress;
  "carta.file.list.progress": ListProgress;
  "carta.pv.progress": PvProgress;
  "carta.vector.overlay.tile.data": VectorOverlayTileData;
  "carta.fitting.progress": FittingProgress;
  "carta.pv.preview.data": PvPreviewData;
}
