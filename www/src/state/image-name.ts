/** An image of the server's folder, as the state names it. */
export interface ImageName {
  file: string;
  /** "" is the file's first image. */
  hdu: string;
}

/** From a link, which anybody may have written. */
export function readName(value: unknown): ImageName | undefined {
  const { file, hdu } = (value ?? {}) as Record<string, unknown>;
  return typeof file === "string" && file !== "" && file.length <= 4096 && typeof hdu === "string" && hdu.length <= 100 ? { file, hdu } : undefined;
}
