// What the programs of the packages of npm share. They run in the folder where the packages are installed.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const here = createRequire(path.join(process.cwd(), "package.json"));
export const folderOf = (name) => path.join(process.cwd(), "node_modules", name);
export const versionOf = (name) => JSON.parse(fs.readFileSync(path.join(folderOf(name), "package.json"))).version;

const { createCanvas, loadImage } = here("@napi-rs/canvas");

// The pixels of a file: width, height, and data, (height, width, 4), bytes.
export async function readPixels(file) {
  const image = await loadImage(file);
  const canvas = createCanvas(image.width, image.height);
  canvas.getContext("2d").drawImage(image, 0, 0);
  const { data } = canvas.getContext("2d").getImageData(0, 0, image.width, image.height);
  return { width: image.width, height: image.height, data: new Uint8Array(data.buffer) };
}

export async function medianSeconds(call, repetitions, warmup = 3) {
  const seconds = [];
  for (let i = 0; i < warmup + repetitions; i++) {
    const start = performance.now();
    await call();
    if (i >= warmup) seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)];
}

// The most memory that this process took so far. On Linux it is the kernel's VmHWM: resourceUsage tells at least the peak of the process
// that started this one.
export function peakMegabytes() {
  if (process.platform !== "linux") return (process.resourceUsage().maxRSS * 1024) / 1e6;
  return (Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) * 1024) / 1e6;
}

// Prints what a package answers to each file of a folder, in the order of their names: one line of JSON, probabilities by class.
export async function answerCrops(folder, answer) {
  for (const name of fs.readdirSync(folder).sort()) console.log(JSON.stringify(await answer(path.join(folder, name))));
}
