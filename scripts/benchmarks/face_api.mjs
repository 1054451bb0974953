// face-api (https://github.com/vladmandic/face-api), installed by
// npm install @vladmandic/face-api @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @napi-rs/canvas
import path from "node:path";
import { folderOf, here, readPixels } from "./shared.mjs";

export const tf = here("@tensorflow/tfjs");
const wasm = here("@tensorflow/tfjs-backend-wasm");
export const faceapi = here("@vladmandic/face-api/dist/face-api.node-wasm.js");

// The pixels of a file as a tensor (height, width, 3).
export async function open(file) {
  const { width, height, data } = await readPixels(file);
  return tf.tidy(() => tf.tensor3d(data, [height, width, 4], "int32").slice([0, 0, 0], [-1, -1, 3]));
}

export async function load(...nets) {
  wasm.setWasmPaths(path.join(folderOf("@tensorflow/tfjs-backend-wasm"), "dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  for (const net of nets) await faceapi.nets[net].loadFromDisk(path.join(folderOf("@vladmandic/face-api"), "model"));
}
