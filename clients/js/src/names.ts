/** Names of the ICD's messages as wslink methods: openFile, OPEN_FILE and open.file are all carta.open.file. */
export function methodName(name: string): string {
  const dotted = name
    .replace(/([a-z0-9])([A-Z])/g, "$1.$2")
    .replace(/_/g, ".")
    .toLowerCase();
  return dotted.startsWith("carta.") ? dotted : `carta.${dotted}`;
}
