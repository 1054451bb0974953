// The times of human; started by scripts/benchmark.py.
import path from "node:path";
import { human, open } from "./human.mjs";
import { medianSeconds, peakMegabytes, versionOf } from "./shared.mjs";

const folder = process.argv[2];
const picture = (name) => path.join(folder, name);

async function read(file) {
  const pixels = await open(file);
  const { face } = await human.detect(pixels);
  human.tf.dispose(pixels);
  return face;
}

if (process.argv.includes("--cold")) {
  await read(picture("photo.jpg"));
} else {
  const frame = await open(picture("frame.jpg"));
  // It has no call that reads a crop without a search.
  console.log(JSON.stringify({
    versions: `human ${versionOf("@vladmandic/human")}, tfjs ${human.tf.version_core} (wasm), node ${process.version}`,
    crop_ms: null,
    faces_per_second: null,
    photo_ms: 1000 * (await medianSeconds(() => read(picture("photo.jpg")), 15)),
    large_photo_ms: 1000 * (await medianSeconds(() => read(picture("large.jpg")), 8)),
    large_photo_faces: (await read(picture("large.jpg"))).length,
    video_fps: 1 / (await medianSeconds(() => human.detect(frame), 15)),
    peak_megabytes: peakMegabytes(),
  }));
}
