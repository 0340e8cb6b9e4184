// node spectrum.mjs ADDRESS FILE X Y: the spectrum of one pixel of a cube as CSV, on standard output.
// ADDRESS is what the server printed: http://localhost:1234/?token=…
import { connect, toFloat32 } from "cubelink";

const [address, file, x, y] = process.argv.slice(2);
if (y === undefined) {
  console.error("usage: node spectrum.mjs ADDRESS FILE X Y");
  process.exit(2);
}
let client;
try {
  client = await connect({ url: address });
  const image = await client.open(file);
  const file_id = image.fileId;
  await image.setCursor(Number(x), Number(y));
  const messages = client.messages("carta.spectral.profile.data", { filter: { file_id, region_id: 0 }, signal: AbortSignal.timeout(300_000) });
  const next = messages.next(); // subscribes
  await client.carta.setSpectralRequirements({ file_id, region_id: 0, spectral_profiles: [{ coordinate: "z", stats_types: [] }] });
  let { value: message } = await next;
  while (message.progress < 1) ({ value: message } = await messages.next());
  const spectrum = toFloat32(message.profiles[0].raw_values_fp32);
  const axis = await image.spectralAxis();
  console.log(`${axis.kind} (${axis.unit}),${image.card("BUNIT") ?? "value"}`);
  spectrum.forEach((value, channel) => console.log(`${axis.values[channel]},${value}`));
  await messages.return();
} catch (error) {
  console.error(`spectrum: ${error.message}`);
  process.exitCode = 1;
} finally {
  client?.close();
}
