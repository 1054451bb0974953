// What the page shows, and what its controls do. Nothing is sent: what is fetched are the files beside the page.

import { findFaces, loadDetector } from "./find_faces.js";
import { readCard } from "./read_card.js";
import { cutFace, readCrop } from "./read_face.js";

const RUNTIME = "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
const MODEL = "model/model.onnx";
const DETECTOR = ["model/pnet.onnx", "model/rnet.onnx", "model/onet.onnx"];
const LONGEST_SIDE = 2000; // of the photo that is searched, in pixels; larger ones are reduced
const SMALLEST_BOX = 16; // that can be drawn, in pixels of that photo
const ORANGE = "#c2410c";
const DRAW = "Draw or move the box.";

const element = (name) => document.getElementById(name);
const [input, picture, draw, how] = ["photo", "picture", "draw", "how"].map(element);
const say = (sentence) => (element("status").textContent = sentence);

let network; // what `loadNetwork` gives
let photo = null; // the pixels of the chosen photo, an ImageData
let box = null; // the box that is being drawn, in pixels of the photo
let turn = 0; // counts what was asked for, so that an answer that comes too late is not shown
let working = Promise.resolve(); // a session runs one thing at a time

try {
  network = await loadNetwork();
  input.disabled = false;
  say("Choose a photo.");
} catch (error) {
  say(error.message);
}

async function loadNetwork() {
  const ort = await import(RUNTIME).catch(() => {
    throw new Error("onnxruntime-web is missing; run npm install in the folder of this page.");
  });
  const answer = await fetch(MODEL);
  if (!answer.ok) throw new Error(`${MODEL} is missing; write it by fer export fer-tiny --output model.`);
  const file = new Uint8Array(await answer.arrayBuffer());
  const card = readCard(file);
  const session = await ort.InferenceSession.create(file);
  // Without the detector a box can still be drawn.
  const detector = await loadDetector(ort, DETECTOR).catch(() => null);
  return { ort, card, session, detector };
}

input.addEventListener("change", () => {
  if (input.files.length) perform("Opening the photo.", () => openPhoto(input.files[0]));
});
draw.addEventListener("click", () => {
  const on = draw.getAttribute("aria-pressed") === "false";
  setDrawing(on);
  if (on) return perform(DRAW, showBox);
  if (!element("answers").hidden) return;
  // Given up before a box was read: back to the faces that the detector finds.
  drawPhoto([]);
  perform("Looking for faces.", searchPhoto);
});
element("opacity").addEventListener("input", showOpacity);

// Does one thing after the other. A task gives the sentence that is said when it is done; what goes wrong is one, too.
function perform(sentence, task) {
  const mine = ++turn;
  say(sentence);
  working = working.then(async () => {
    if (mine !== turn) return;
    const done = await task().catch((error) => error.message);
    if (mine === turn) say(done);
  });
}

async function openPhoto(file) {
  photo = null;
  setDrawing(false);
  showFaces([]);
  element("chosen").hidden = true;
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is not a picture that this browser can open; choose a JPEG, PNG or WebP file.`);
  });
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  // What is clear in a picture is taken for white.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  photo = context.getImageData(0, 0, width, height);
  drawPhoto([]);
  element("chosen").hidden = false;
  return searchPhoto();
}

async function searchPhoto() {
  if (!network.detector) return "The detector is missing from the folder model; draw a box round a face.";
  say("Looking for faces.");
  await shown();
  const faces = await findFaces(network.detector, photo);
  await readFaces(faces);
  if (!faces.length) return "No face was found; draw a box round one.";
  return faces.length === 1 ? "One face was found." : `${faces.length} faces were found.`;
}

// Until the browser has drawn what was said: the networks leave it no time.
function shown() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

async function readFaces(faces) {
  const answers = [];
  for (const face of faces) {
    const crop = cutFace(photo, face, network.card);
    answers.push({ face, crop, ...(await readCrop(network.ort, network.session, crop.data, network.card)) });
  }
  drawPhoto(faces);
  showFaces(answers);
}

function drawPhoto(faces) {
  [picture.width, picture.height] = [photo.width, photo.height];
  const context = picture.getContext("2d");
  context.putImageData(photo, 0, 0);
  const width = Math.max(2, Math.round(Math.min(photo.width, photo.height) / 200));
  context.font = `${8 * width}px system-ui, sans-serif`;
  context.fillStyle = ORANGE;
  faces.forEach(({ box: [left, top, right, bottom] }, number) => {
    // Orange with white beside it is seen on dark and on light photos.
    for (const [colour, extra] of [["white", 2], [ORANGE, 0]]) {
      context.strokeStyle = colour;
      context.lineWidth = width + extra;
      context.strokeRect(left, top, right - left, bottom - top);
    }
    if (faces.length === 1) return;
    context.strokeStyle = "white";
    context.strokeText(number + 1, left, top - 2 * width);
    context.fillText(number + 1, left, top - 2 * width);
  });
}

function showFaces(answers) {
  element("answers").hidden = !answers.length;
  element("strength").hidden = answers.every(({ relevanceMap }) => !relevanceMap);
  element("faces").replaceChildren(...answers.map((answer, number) => faceArticle(answer, number, answers.length)));
  showOpacity();
}

// A face as the network saw it, under its map, and its expressions.
function faceArticle({ face, crop, expressions, relevanceMap }, number, count) {
  const article = element("face").content.cloneNode(true).firstElementChild;
  const name = count > 1 ? `Face ${number + 1}` : "The face";
  const [{ label, probability }] = expressions;
  const sure = probability >= (network.card.uncertain_below ?? 0);
  article.querySelector("h2").textContent = `${name}: ${sure ? label : `uncertain, perhaps ${label}`}`;
  const seen = article.querySelector(".seen");
  seen.setAttribute("aria-label", `${name} as the network sees it, read as ${label}`);
  putPixels(seen, network.card.pixels.num_channels === 1 ? inGray(crop) : crop);
  if (relevanceMap) putPixels(article.querySelector(".map"), colourMap(relevanceMap, crop));
  article.querySelector("tbody").append(...expressions.map(expressionRow));
  // Where the face lies, for whoever looks at the page by a program.
  article.dataset.face = JSON.stringify({ box: face.box, points: face.points });
  return article;
}

function expressionRow({ label, probability }) {
  const row = document.createElement("tr");
  const bar = Object.assign(document.createElement("meter"), { value: probability });
  bar.setAttribute("aria-label", label);
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: label });
  row.append(head, document.createElement("td"), document.createElement("td"));
  row.cells[1].append(bar);
  row.cells[2].textContent = `${(100 * probability).toFixed(1)}%`;
  return row;
}

function putPixels(canvas, { data, width, height }) {
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
}

function inGray({ data, width, height }) {
  const gray = data.slice();
  for (let place = 0; place < gray.length; place += 4) {
    gray.fill(0.299 * data[place] + 0.587 * data[place + 1] + 0.114 * data[place + 2], place, place + 3);
  }
  return { data: gray, width, height };
}

// Clear where the map is zero or less, red to yellow towards its peak.
function colourMap(relevanceMap, { width, height }) {
  const [dark, middle, bright] = [[91, 15, 139], [239, 68, 68], [253, 224, 71]];
  const peak = Math.max(1e-6, ...relevanceMap);
  const data = new Uint8ClampedArray(4 * width * height);
  relevanceMap.forEach((relevance, place) => {
    const share = Math.max(0, relevance) / peak;
    const [from, to, way] = share < 0.5 ? [dark, middle, 2 * share] : [middle, bright, 2 * share - 1];
    const colour = from.map((value, channel) => value + (to[channel] - value) * way);
    data.set([...colour, 0.65 * 255 * share], 4 * place);
  });
  return { data, width, height };
}

function showOpacity() {
  const opacity = element("opacity").value / 100;
  for (const map of document.querySelectorAll(".map")) map.style.opacity = opacity;
}

// Drawing a box, by pointer or by keyboard.
function setDrawing(on) {
  draw.setAttribute("aria-pressed", on);
  how.hidden = !on;
  picture.classList.toggle("drawn", on);
  picture.tabIndex = on ? 0 : -1;
  if (!on) return;
  const side = Math.min(photo.width, photo.height) / 2;
  box = [(photo.width - side) / 2, (photo.height - side) / 2, (photo.width + side) / 2, (photo.height + side) / 2];
  picture.focus();
}

// The box alone: what was read before is not about it.
async function showBox() {
  drawPhoto([{ box }]);
  showFaces([]);
  return DRAW;
}

function readDrawn() {
  if (Math.min(box[2] - box[0], box[3] - box[1]) < SMALLEST_BOX) {
    say(`The box is smaller than ${SMALLEST_BOX} pixels; draw a larger one.`);
    return;
  }
  perform("Reading the face.", async () => {
    await readFaces([{ box }]);
    return "The face in the box was read.";
  });
}

function placeOf({ clientX, clientY }) {
  const { left, top, width, height } = picture.getBoundingClientRect();
  const place = [((clientX - left) / width) * photo.width, ((clientY - top) / height) * photo.height];
  return [Math.min(photo.width, Math.max(0, place[0])), Math.min(photo.height, Math.max(0, place[1]))];
}

picture.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || !picture.classList.contains("drawn")) return;
  picture.setPointerCapture(event.pointerId);
  const corner = placeOf(event);
  const stretch = (moved) => {
    const other = placeOf(moved);
    const lower = [0, 1].map((axis) => Math.min(corner[axis], other[axis]));
    box = [...lower, ...[0, 1].map((axis) => Math.max(corner[axis], other[axis]))];
    drawPhoto([{ box }]);
  };
  stretch(event);
  picture.addEventListener("pointermove", stretch);
  const end = () => {
    picture.removeEventListener("pointermove", stretch);
    readDrawn();
  };
  picture.addEventListener("lostpointercapture", end, { once: true });
});

picture.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way || !picture.classList.contains("drawn")) return;
  event.preventDefault();
  const step = Math.min(photo.width, photo.height) / 50;
  const [right, below] = way.map((share) => share * step);
  const [left, top] = event.shiftKey ? box : [box[0] + right, box[1] + below];
  const changed = [left, top, box[2] + right, box[3] + below];
  const inside = left >= 0 && top >= 0 && changed[2] <= photo.width && changed[3] <= photo.height;
  if (!inside || Math.min(changed[2] - left, changed[3] - top) < SMALLEST_BOX) return;
  box = changed;
  drawPhoto([{ box }]);
  readDrawn();
});
