/** The ICD messages that this package itself looks into; field names are the ICD's. 64-bit integers come as numbers. */

export interface FileInfo {
  name: string;
  type: string | number;
  size: number;
  HDU_list: string[];
  date: number;
}

export interface HeaderEntry {
  name: string;
  value: string;
  entry_type: string | number;
  numeric_value: number;
  comment: string;
}

export interface AxesNumbers {
  spatial_x: number;
  spatial_y: number;
  spectral: number;
  stokes: number;
  depth: number;
}

export interface FileInfoExtended {
  dimensions: number;
  width: number;
  height: number;
  depth: number;
  stokes: number;
  stokes_vals: string[];
  header_entries: HeaderEntry[];
  computed_entries: HeaderEntry[];
  axes_numbers: AxesNumbers | null;
}

export interface Beam {
  channel: number;
  stokes: number;
  major_axis: number;
  minor_axis: number;
  pa: number;
}

export interface OpenFileAck {
  success: boolean;
  message: string;
  file_id: number;
  file_info: FileInfo;
  file_info_extended: FileInfoExtended;
  beam_table: Beam[];
}

export interface FileInfoResponse {
  success: boolean;
  message: string;
  file_info: FileInfo;
  /** By HDU. */
  file_info_extended: Record<string, FileInfoExtended>;
}

export interface RegisterViewerAck {
  session_id: number;
  success: boolean;
  message: string;
  session_type: "NEW" | "RESUMED" | number;
  server_feature_flags: number;
  platform_strings?: Record<string, string>;
}

export interface FileListResponse {
  success: boolean;
  message: string;
  directory: string;
  parent: string;
  files: FileInfo[];
  subdirectories: { name: string; item_count: number; date: number }[];
  cancel: boolean;
}

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

export interface RasterTileData {
  file_id: number;
  channel: number;
  stokes: number;
  compression_type: "NONE" | "ZFP" | "SZ" | number;
  compression_quality: number;
  sync_id: number;
  animation_id: number;
  tiles: TileData[];
}

export interface RasterTileSync {
  file_id: number;
  channel: number;
  stokes: number;
  sync_id: number;
  animation_id: number;
  tile_count: number;
  end_sync: boolean;
}

export interface Histogram {
  num_bins: number;
  bin_width: number;
  first_bin_center: number;
  bins: number[];
  mean: number;
  std_dev: number;
}

export interface RegionHistogramData {
  file_id: number;
  region_id: number;
  channel: number;
  stokes: number;
  progress: number;
  histograms: Histogram | null;
  config: { fixed_num_bins?: boolean; fixed_bounds?: boolean } | null;
}

export interface SpatialProfile {
  start: number;
  end: number;
  raw_values_fp32: Uint8Array;
  coordinate: string;
  mip: number;
}

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

export interface SpectralProfileData {
  file_id: number;
  region_id: number;
  stokes: number;
  progress: number;
  profiles: { coordinate: string; stats_type: string | number; raw_values_fp32: Uint8Array; raw_values_fp64: Uint8Array }[];
}

export interface ErrorData {
  severity: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | number;
  tags: string[];
  message: string;
  data: string;
}
