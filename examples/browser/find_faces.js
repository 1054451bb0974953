// MTCNN finds faces by a cascade of three networks (Zhang et al. 2016). Networks, numbers and roundings are those of
// modeling_fer/mtcnn_fer.py: the checkpoints were trained on crops of its boxes, and those of other detectors are wider
// or narrower.

const [WINDOW, STRIDE] = [12, 2]; // of the first network, in pixels of the scaled photo
const FACTOR = 0.709; // one scale to the one before
const LOGIT = Math.log(0.6 / 0.4);
const THRESHOLD = 0.7;
const MIN_SCORE = 0.9;

// The three networks, from the addresses of their files.
export async function loadDetector(ort, files) {
  const [propose, refine, finish] = await Promise.all(files.map((file) => ort.InferenceSession.create(file)));
  const run = (session, pixels, shape) => session.run({ pixels: new ort.Tensor("float32", pixels, shape) });
  return { propose, refine, finish, run };
}

// The faces of a photo (an ImageData), largest first: { box, points, score }, in its pixels. Points are both eyes, the
// nose and both corners of the mouth. Small faces take most of the time, and in photos of over 1,000 pixels those of
// under a fiftieth of the longer side are left out unless `minFace`, in pixels and at least 20, is given.
export async function findFaces(detector, photo, minFace = Math.max(20, Math.max(photo.width, photo.height) / 50)) {
  const proposed = await proposeBoxes(detector, photo, minFace);
  const refined = await look(detector, detector.refine, photo, proposed, 24);
  const kept = suppress(refined, 0.7).map(moved).map(squared);
  const finished = (await look(detector, detector.finish, photo, kept, 48)).map(moved);
  const faces = suppress(finished, 0.7, true).filter(({ score }) => score >= MIN_SCORE);
  const sizeOf = ({ box }) => Math.max(box[2] - box[0], box[3] - box[1]);
  return faces.sort((one, other) => sizeOf(other) - sizeOf(one));
}

// The windows at all scales of the photo that may hold a face.
async function proposeBoxes({ propose, run }, photo, minFace) {
  const whole = [0, 0, photo.width, photo.height];
  const found = [];
  for (let scale = WINDOW / minFace; Math.min(photo.width, photo.height) * scale >= WINDOW; scale *= FACTOR) {
    const [height, width] = [Math.floor(photo.height * scale + 1), Math.floor(photo.width * scale + 1)];
    const { windows } = await run(propose, shrink(photo, whole, height, width), [1, 3, height, width]);
    found.push(...suppress(boxesOf(windows, scale), 0.5));
  }
  return suppress(found, 0.7).map(({ box, offsets }) => squared({ box: shifted(box, offsets, 0) }));
}

// The windows of one scale, (1, 5, rows, columns): for each place the face's logit, and how it would move each edge.
function boxesOf({ data, dims: [, , rows, columns] }, scale) {
  const found = [];
  const count = rows * columns;
  for (let place = 0; place < count; place++) {
    if (data[place] < LOGIT) continue;
    const corner = [(place % columns) * STRIDE, Math.floor(place / columns) * STRIDE];
    const edges = [corner[0] + 1, corner[1] + 1, corner[0] + WINDOW, corner[1] + WINDOW];
    const offsets = [1, 2, 3, 4].map((channel) => data[channel * count + place]);
    const box = edges.map((edge) => Math.floor(Math.fround(edge / Math.fround(scale))));
    found.push({ box, score: 1 / (1 + Math.exp(-data[place])), offsets });
  }
  return found;
}

// What the second or third network takes for faces, of crops of `size` pixels.
async function look({ run }, session, photo, candidates, size) {
  const inside = candidates.filter(({ box }) => {
    const [left, top, right, bottom] = visible(box, photo);
    return right > left && bottom > top;
  });
  if (!inside.length) return [];
  const length = 3 * size * size;
  const pixels = new Float32Array(inside.length * length);
  inside.forEach(({ box }, number) => pixels.set(shrink(photo, visible(box, photo), size, size), number * length));
  const { scores, offsets, points } = await run(session, pixels, [inside.length, 3, size, size]);
  const found = inside.map(({ box }, number) => ({
    box,
    score: scores.data[number],
    offsets: offsets.data.slice(4 * number, 4 * number + 4),
    points: points && pointsOf(box, points.data.slice(10 * number, 10 * number + 10)),
  }));
  return found.filter(({ score }) => score > THRESHOLD);
}

// Five x and five y as shares of a box, to five points of the photo.
function pointsOf([left, top, right, bottom], shares) {
  return [0, 1, 2, 3, 4].map((number) => {
    return [left + (right - left + 1) * shares[number] - 1, top + (bottom - top + 1) * shares[number + 5] - 1];
  });
}

// The part of a box that lies in the photo. Pixels are counted from 1 here, as in the authors' code.
function visible(box, { width, height }) {
  const [left, top, right, bottom] = box.map(Math.trunc);
  return [Math.max(left, 1) - 1, Math.max(top, 1) - 1, Math.min(right, width), Math.min(bottom, height)];
}

// A box whose edges are moved by shares of its size; `extra` is 1 where its last pixel belongs to it.
function shifted([left, top, right, bottom], offsets, extra) {
  const sizes = [right - left + extra, bottom - top + extra];
  return [left, top, right, bottom].map((edge, number) => edge + offsets[number] * sizes[number % 2]);
}

function moved(face) {
  return { ...face, box: shifted(face.box, face.offsets, 1) };
}

// With a square box about the same centre.
function squared(face) {
  const [left, top, right, bottom] = face.box;
  const side = Math.max(right - left, bottom - top);
  const corner = [(left + right - side) / 2, (top + bottom - side) / 2];
  return { ...face, box: [...corner, corner[0] + side, corner[1] + side] };
}

// Of boxes that overlap by more than a threshold, only the surest. With `ofSmaller` the overlap is a share of the
// smaller box, else intersection over union.
function suppress(found, threshold, ofSmaller = false) {
  const extra = ofSmaller ? 1 : 0;
  const area = ([left, top, right, bottom]) => (right - left + extra) * (bottom - top + extra);
  const overlap = (one, other) => {
    const [width, height] = [0, 1].map((axis) => {
      return Math.max(0, Math.min(one[axis + 2], other[axis + 2]) - Math.max(one[axis], other[axis]) + extra);
    });
    const whole = ofSmaller ? Math.min(area(one), area(other)) : area(one) + area(other) - width * height;
    return (width * height) / whole;
  };
  const kept = [];
  for (const face of [...found].sort((one, other) => other.score - one.score)) {
    if (kept.every(({ box }) => overlap(box, face.box) <= threshold)) kept.push(face);
  }
  return kept;
}

// A part of the photo at another size, (3, height, width) in [0, 255]: each pixel is the mean of those that it covers,
// in part or wholly.
function shrink({ data, width: stride }, [left, top, right, bottom], height, width) {
  const [columns, rows] = [windowsOf(right - left, width), windowsOf(bottom - top, height)];
  const pixels = new Float32Array(3 * height * width);
  const sums = new Float32Array(3 * (right - left));
  rows.forEach(([above, below], row) => {
    sums.fill(0);
    for (let y = top + above; y < top + below; y++) {
      for (let x = left, place = 4 * (y * stride + left), sum = 0; x < right; x++, place += 4) {
        sums[sum++] += data[place];
        sums[sum++] += data[place + 1];
        sums[sum++] += data[place + 2];
      }
    }
    columns.forEach(([first, last], column) => {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let x = first; x < last; x++) sum += sums[3 * x + channel];
        pixels[(channel * height + row) * width + column] = sum / ((last - first) * (below - above));
      }
    });
  });
  return pixels;
}

// The pixels that each of `count` windows over `length` pixels covers.
function windowsOf(length, count) {
  return Array.from({ length: count }, (_, place) => {
    return [Math.floor((place * length) / count), Math.ceil(((place + 1) * length) / count)];
  });
}
