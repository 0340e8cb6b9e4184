/** Numbers as people read them. */

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`;
}

export function day(unixSeconds: number): string {
  return unixSeconds > 0 ? new Date(unixSeconds * 1000).toISOString().slice(0, 10) : "";
}

/** Five or so significant digits, with an exponent only where needed. */
export function value(v: number): string {
  if (Number.isNaN(v)) return "blank";
  if (!Number.isFinite(v)) return v > 0 ? "+∞" : "−∞";
  const size = Math.abs(v);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? v.toExponential(4) : v.toPrecision(6).replace(/\.?0+$/, "");
  return text.replaceAll("-", "−");
}

/** For input fields: short, and read back by Number(). */
export function plain(v: number): string {
  return Number.isFinite(v) ? String(Number(v.toPrecision(6))) : "";
}

/** Hours, minutes, seconds of a right ascension in degrees. */
export function hours(degrees: number, digits = 3): string {
  return sexagesimal((((degrees % 360) + 360) % 360) / 15, digits, ["h", "m", "s"], 24);
}

/** A longitude in degrees, as galactic ones are written. */
export function longitude(d: number): string {
  return `${(((d % 360) + 360) % 360).toFixed(5)}°`;
}

/** A latitude in degrees. */
export function latitude(d: number): string {
  return `${d < 0 ? "−" : "+"}${Math.abs(d).toFixed(5)}°`;
}

/** Degrees, minutes, seconds, signed. */
export function degrees(d: number, digits = 2): string {
  return (d < 0 ? "−" : "+") + sexagesimal(Math.abs(d), digits, ["°", "′", "″"]);
}

function sexagesimal(x: number, digits: number, marks: [string, string, string], wrap = Infinity): string {
  // Rounded once, as a whole number of the last digit's unit: 59.9996 must not become 60.
  const unit = 10 ** digits;
  let ticks = Math.round(x * 3600 * unit);
  if (ticks >= wrap * 3600 * unit) ticks -= wrap * 3600 * unit;
  const whole = Math.floor(ticks / (60 * unit));
  const seconds = ((ticks - whole * 60 * unit) / unit).toFixed(digits).padStart(digits > 0 ? digits + 3 : 2, "0");
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(Math.floor(whole / 60))}${marks[0]}${two(whole % 60)}${marks[1]}${seconds}${marks[2]}`;
}

export type SkyFormat = "auto" | "sexagesimal" | "degrees";
export type Notation = "hours" | "sexagesimal" | "decimal" | "plain";

/** Equatorial positions in hours and degrees with minutes and seconds, galactic and ecliptic ones in degrees, what is no angle as a number. */
export function notationOf(name: string, unit: string, format: SkyFormat): Notation {
  if (unit !== "deg") return "plain";
  if (format === "degrees") return "decimal";
  if (/^RA/i.test(name)) return "hours";
  return format === "auto" && /(LON|LAT)$/i.test(name) ? "decimal" : "sexagesimal";
}
