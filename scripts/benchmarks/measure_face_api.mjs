// The times of face-api; started by scripts/benchmark.py.
import path from "node:path";
import { faceapi, load, open, tf } from "./face_api.mjs";
import { medianSeconds, peakMegabytes, versionOf } from "./shared.mjs";

const folder = process.argv[2];
const picture = (name) => path.join(folder, name);
const options = new faceapi.SsdMobilenetv1Options({ minConfidence: 0.5 });

async function detect(pixels) {
  return faceapi.detectAllFaces(pixels, options).withFaceExpressions();
}

async function read(file) {
  const pixels = await open(file);
  const faces = await detect(pixels);
  pixels.dispose();
  return faces;
}

await load("ssdMobilenetv1", "faceExpressionNet");

if (process.argv.includes("--cold")) {
  await read(picture("photo.jpg"));
} else {
  const crop = await open(picture("crop.png"));
  const frame = await open(picture("frame.jpg"));
  const many = Array(32).fill(crop);
  const { faceExpressionNet } = faceapi.nets;
  console.log(JSON.stringify({
    versions: `face-api ${versionOf("@vladmandic/face-api")}, tfjs ${tf.version_core ?? tf.version.tfjs} (wasm), node ${process.version}`,
    crop_ms: 1000 * (await medianSeconds(() => faceExpressionNet.predictExpressions(crop), 50)),
    faces_per_second: 32 / (await medianSeconds(() => faceExpressionNet.predictExpressions(many), 10)),
    photo_ms: 1000 * (await medianSeconds(() => read(picture("photo.jpg")), 15)),
    large_photo_ms: 1000 * (await medianSeconds(() => read(picture("large.jpg")), 8)),
    large_photo_faces: (await read(picture("large.jpg"))).length,
    video_fps: 1 / (await medianSeconds(() => detect(frame), 15)),
    peak_megabytes: peakMegabytes(),
  }));
}
