/** An image of the server's folder, as the state names it. */
export interface ImageName {
  file: string;
  /** "" is the file's first image. */
  hdu: string;
  /** On show beside an image without channels. */
  channel?: number;
}

/** From a link, which anybody may have written. */
export function readName(value: unknown): ImageName | undefined {
  const { file, hdu, channel } = (value ?? {}) as Record<string, unknown>;
  if (typeof file !== "string" || file === "" || file.length > 4096 || typeof hdu !== "string" || hdu.length > 100) return undefined;
  if (channel === undefined) return { file, hdu };
  return Number.isSafeInteger(channel) && (channel as number) >= 0 ? { file, hdu, channel: channel as number } : undefined;
}
