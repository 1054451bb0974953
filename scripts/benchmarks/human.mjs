// human (https://github.com/vladmandic/human), installed by
// npm install @vladmandic/human @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @napi-rs/canvas
import fs from "node:fs";
import path from "node:path";
import { folderOf, here, readPixels } from "./shared.mjs";

// By its path, as the package names only its form for tfjs-node.
const { Human } = here(path.join(folderOf("@vladmandic/human"), "dist", "human.node-wasm.js"));

// tfjs fetches models; here they are files.
globalThis.fetch = async (address) => new Response(fs.readFileSync(path.join(folderOf("@vladmandic/human"), new URL(address).pathname)));

export const human = new Human({
  backend: "wasm",
  wasmPath: path.join(folderOf("@tensorflow/tfjs-backend-wasm"), "dist/"),
  modelBasePath: "http://localhost/models/",
  cacheSensitivity: 0,
  filter: { enabled: false },
  gesture: { enabled: false },
  body: { enabled: false },
  hand: { enabled: false },
  object: { enabled: false },
  face: {
    detector: { maxDetected: 10, skipFrames: 0, skipTime: 0 },
    mesh: { enabled: false },
    iris: { enabled: false },
    description: { enabled: false },
    emotion: { skipFrames: 0, skipTime: 0 },
  },
});
await human.load();

// The pixels of a file as a tensor (1, height, width, 3).
export async function open(file) {
  const { width, height, data } = await readPixels(file);
  return human.tf.tidy(() => human.tf.slice(human.tf.tensor(data, [1, height, width, 4], "int32"), [0, 0, 0, 0], [-1, -1, -1, 3]));
}
