/** What the server computes of the selected region: statistics, histogram, spectrum, and the profile along a line; anew whenever the region or the plane changes. */
import {
  toFloat32,
  toFloat64,
  type Client,
  type Histogram,
  type RegionHistogramData,
  type RegionShapeType,
  type RegionStatsData,
  type SpatialProfileData,
  type SpectralProfileData,
  type StatsType,
} from "cubelink";
import type { OpenImage, Profile } from "./open-image";
import { Pump } from "./pump";
import { geometryOf, hasInside, isAnnotation } from "./region-shapes";
import { Signal } from "./signal";

export const STATISTICS = ["NumPixels", "Sum", "FluxDensity", "Mean", "RMS", "Sigma", "SumSq", "Min", "Max", "Extrema"] as const;
export type Statistic = (typeof STATISTICS)[number];

export interface Wanted {
  id: number;
  type: RegionShapeType;
  /** Statistic of which the spectrum is. */
  spectrum: StatsType;
}

export interface LineProfile extends Profile {
  unit: string;
}

interface Kinds {
  inside: boolean;
  spectrum: StatsType | "";
  line: boolean;
}

/** What there is of regions of this type, in this image. */
export function kindsOf(type: RegionShapeType, depth: number, spectrum: StatsType = "Mean"): Kinds {
  const analysed = !isAnnotation(type);
  const closed = analysed && hasInside(type);
  const line = analysed && ["line", "polyline"].includes(geometryOf(type));
  return { inside: closed, spectrum: depth > 1 && (closed || type === "POINT") ? (type === "POINT" ? "Mean" : spectrum) : "", line };
}

export class RegionAnalysis {
  readonly statistics = new Signal<Partial<Record<Statistic, number>> | null>(null);
  readonly histogram = new Signal<Histogram | null>(null);
  readonly spectrum = new Signal<{ values: ArrayLike<number>; progress: number; statistic: StatsType } | null>(null);
  readonly line = new Signal<LineProfile | null>(null);

  private wanted: Wanted | null = null;
  /** What has been required of the server. */
  private required: { open: OpenImage; id: number; kinds: Kinds } | null = null;
  private readonly pump: Pump<void>;

  constructor(
    private readonly current: () => OpenImage | null,
    private readonly exists: (id: number) => boolean,
    onError: (error: unknown) => void,
  ) {
    this.pump = new Pump(() => this.require(), onError);
  }

  async listen(client: Client): Promise<void> {
    await Promise.all([
      client.subscribe<RegionStatsData>("carta.region.stats.data", {}, (data) => this.takes(data) && this.takeStatistics(data)),
      client.subscribe<RegionHistogramData>("carta.region.histogram.data", {}, (data) => this.takes(data) && this.histogram.set(data.histograms ?? null)),
      client.subscribe<SpectralProfileData>("carta.spectral.profile.data", {}, (data) => this.takes(data) && this.takeSpectrum(data)),
      client.subscribe<SpatialProfileData>("carta.spatial.profile.data", {}, (data) => this.takes(data) && this.takeLine(data)),
    ]);
  }

  /** null: nothing. */
  want(wanted: Wanted | null): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.wanted)) return;
    const other = wanted?.id !== this.wanted?.id || wanted?.type !== this.wanted?.type;
    this.wanted = wanted;
    if (other) for (const signal of [this.statistics, this.histogram, this.spectrum, this.line]) (signal as Signal<unknown>).set(null);
    this.pump.push();
  }

  /** The connection is another one, or the image. */
  again(): void {
    this.required = null;
    this.pump.push();
  }

  private async require(): Promise<void> {
    const open = this.current();
    const { required, wanted } = this;
    const kinds = wanted && open ? kindsOf(wanted.type, open.image.info.depth, wanted.spectrum) : null;
    if (required && (required.open !== open || required.id !== wanted?.id)) {
      this.required = null;
      if (required.open === open && this.exists(required.id)) await this.tell(open, required.id, NOTHING, required.kinds);
    }
    if (!open || !wanted || !kinds || !this.exists(wanted.id)) return;
    const before = this.required?.kinds ?? NOTHING;
    this.required = { open, id: wanted.id, kinds };
    try {
      await this.tell(open, wanted.id, kinds, before);
    } catch (error) {
      this.required = null;
      throw error;
    }
  }

  private async tell({ image }: OpenImage, region_id: number, now: Kinds, before: Kinds): Promise<void> {
    const { carta } = image.client;
    const file_id = image.fileId;
    const calls: Promise<unknown>[] = [];
    if (now.inside !== before.inside) {
      calls.push(carta.setStatsRequirements({ file_id, region_id, stats_configs: now.inside ? [{ coordinate: "z", stats_types: [...STATISTICS] }] : [] }));
      calls.push(carta.setHistogramRequirements({ file_id, region_id, histograms: now.inside ? [{ coordinate: "z", channel: -1, num_bins: -1 }] : [] }));
    }
    if (now.spectrum !== before.spectrum) {
      calls.push(carta.setSpectralRequirements({ file_id, region_id, spectral_profiles: now.spectrum === "" ? [] : [{ coordinate: "z", stats_types: [now.spectrum] }] }));
    }
    if (now.line !== before.line) calls.push(carta.setSpatialRequirements({ file_id, region_id, spatial_profiles: now.line ? [{ coordinate: "" }] : [] }));
    await Promise.all(calls);
  }

  private takes({ file_id, region_id }: { file_id: number; region_id: number }): boolean {
    return region_id > 0 && region_id === this.wanted?.id && file_id === this.current()?.image.fileId;
  }

  private takeStatistics({ statistics }: RegionStatsData): void {
    this.statistics.set(Object.fromEntries(statistics.map(({ stats_type, value }) => [stats_type, value])) as Partial<Record<Statistic, number>>);
  }

  private takeSpectrum({ profiles, progress }: SpectralProfileData): void {
    for (const { stats_type, raw_values_fp64, raw_values_fp32 } of profiles) {
      const values = raw_values_fp64?.byteLength ? toFloat64(raw_values_fp64) : toFloat32(raw_values_fp32);
      this.spectrum.set({ values, progress, statistic: stats_type });
    }
  }

  private takeLine({ profiles }: SpatialProfileData): void {
    const [profile] = profiles;
    if (!profile?.line_axis) return;
    const { crpix, crval, cdelt, unit } = profile.line_axis;
    const values = toFloat32(profile.raw_values_fp32);
    this.line.set({ values, positions: Array.from(values, (_, i) => crval + (i - crpix) * cdelt), unit });
  }
}

const NOTHING: Kinds = { inside: false, spectrum: "", line: false };
