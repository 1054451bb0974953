// From a face in a photo to its expressions and its relevance map. Crops made otherwise than the training crops give
// wrong answers without a warning: each step is that of the package, in faces_fer.py and pixels_fer.py.

// A face as { box: [left, top, right, bottom], points: [[x, y], ...] }, in pixels of the photo; points, of which the
// first two are the eyes at the picture's left and right, may be missing, and the face is then taken to be upright.

// The square of the photo that a face is cut from: its centre, its side in pixels, its angle in radians.
export function squareOf({ box: [left, top, right, bottom], points }, card) {
  const size = Math.max(right - left, bottom - top);
  const [one, other] = points ?? [];
  const angle = card.face_alignment && points ? Math.atan2(other[1] - one[1], other[0] - one[0]) : 0;
  const down = card.face_offset * size;
  const centre = [(left + right) / 2 - down * Math.sin(angle), (top + bottom) / 2 + down * Math.cos(angle)];
  return { centre, side: size * (1 + card.face_margin), angle };
}

// The crop of a face at the network's size, as an ImageData. The photo is one too.
export function cutFace(photo, face, card) {
  const { height, width } = card.pixels;
  const { centre, side, angle } = squareOf(face, card);
  // Large faces are reduced by a whole factor first, as in training.
  const factor = Math.max(1, Math.floor(side / (2 * Math.max(height, width))));
  const { region, corner } = reduceRound(photo, centre, side, angle, factor);
  const middle = centre.map((place, axis) => (place - corner[axis]) / factor);
  const count = Math.max(1, Math.round(side / factor));
  const step = side / factor / count;
  const [across, down] = [Math.cos(angle) * step, Math.sin(angle) * step];
  const [columns, rows] = [weightsOf(count, width), weightsOf(count, height)];
  const sums = new Float32Array(width * height * 3);
  // Whole numbers: Pillow cuts the fractions off.
  const line = new Uint8Array(count * 3);
  for (let y = 0; y < count; y++) {
    const [right, below] = [0.5 - count / 2, y + 0.5 - count / 2];
    const start = [middle[0] + right * across - below * down, middle[1] + right * down + below * across];
    sampleLine(region, start, [across, down], line);
    const short = shrinkLine(line, columns);
    rows.forEach(({ first, weights }, row) => {
      const weight = weights[y - first];
      if (weight) short.forEach((value, place) => (sums[row * short.length + place] += weight * value));
    });
  }
  const crop = new Uint8ClampedArray(width * height * 4).fill(255);
  sums.forEach((value, place) => (crop[Math.floor(place / 3) * 4 + (place % 3)] = value));
  return { data: crop, width, height };
}

// The part of a photo that holds a square, each side a `factor`-th as long, and where its corner lies in the photo. The
// photo is mirrored beyond its borders.
function reduceRound(photo, centre, side, angle, factor) {
  const reach = (side * (Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle)))) / 2 + 2;
  const corner = centre.map((place) => Math.floor(place - reach));
  const [width, height] = centre.map((place, axis) => Math.ceil(place + reach) - corner[axis]);
  const mirrored = (place, size) => {
    const turn = ((place % (2 * size)) + 2 * size) % (2 * size);
    return turn < size ? turn : 2 * size - 1 - turn;
  };
  const columns = Array.from({ length: width }, (_, x) => mirrored(corner[0] + x, photo.width));
  const rows = Array.from({ length: height }, (_, y) => mirrored(corner[1] + y, photo.height));
  const [across, down] = [width, height].map((size) => Math.ceil(size / factor));
  const data = new Uint8ClampedArray(3 * across * down);
  for (let place = 0; place < across * down; place++) {
    const [left, top] = [(place % across) * factor, Math.floor(place / across) * factor];
    const sums = [0, 0, 0];
    const [some, others] = [columns.slice(left, left + factor), rows.slice(top, top + factor)];
    for (const row of others) {
      for (const column of some) {
        const pixel = 4 * (row * photo.width + column);
        for (let channel = 0; channel < 3; channel++) sums[channel] += photo.data[pixel + channel];
      }
    }
    data.set(sums.map((sum) => sum / (some.length * others.length)), 3 * place);
  }
  return { region: { data, width: across, height: down }, corner };
}

// The colours of a region along a line, each between its four nearest pixels.
function sampleLine({ data, width, height }, start, step, line) {
  const within = (place, size) => Math.min(size - 1, Math.max(0, place));
  for (let number = 0; number < line.length / 3; number++) {
    const [x, y] = [start[0] + number * step[0] - 0.5, start[1] + number * step[1] - 0.5];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, below] = [x - left, y - top];
    const columns = [within(left, width), within(left + 1, width)];
    const rows = [within(top, height) * width, within(top + 1, height) * width];
    const pixel = (row, column, channel) => data[3 * (rows[row] + columns[column]) + channel];
    for (let channel = 0; channel < 3; channel++) {
      const above = pixel(0, 0, channel) * (1 - right) + pixel(0, 1, channel) * right;
      const under = pixel(1, 0, channel) * (1 - right) + pixel(1, 1, channel) * right;
      line[3 * number + channel] = above * (1 - below) + under * below;
    }
  }
}

// A line of colours with fewer, or more, of them.
function shrinkLine(line, places) {
  const short = new Float32Array(places.length * 3);
  places.forEach(({ first, weights }, place) => {
    for (let channel = 0; channel < 3; channel++) {
      const start = 3 * first + channel;
      short[3 * place + channel] = weights.reduce((sum, weight, number) => sum + weight * line[start + 3 * number], 0);
    }
  });
  return short;
}

// For each of `size` pixels, how much each of `count` pixels weighs in it. A triangle as wide as two of the coarser
// pixels, as Pillow has it: a canvas shrinks otherwise in every browser.
function weightsOf(count, size) {
  const scale = count / size;
  const reach = Math.max(1, scale);
  return Array.from({ length: size }, (_, place) => {
    const middle = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(middle - reach + 0.5));
    const last = Math.min(count, Math.floor(middle + reach + 0.5));
    const heights = Array.from({ length: last - first }, (_, number) => {
      return Math.max(0, 1 - Math.abs(first + number + 0.5 - middle) / reach);
    });
    const sum = heights.reduce((one, other) => one + other, 0);
    return { first, weights: heights.map((height) => height / sum) };
  });
}

// --8<-- [start:read]
// (1, channels, height, width) from the RGBA pixels of a crop, as getImageData gives them.
export function toPixelValues(rgba, { num_channels, contrast_percentiles, mean, std }) {
  const count = rgba.length / 4;
  const values = new Float32Array(num_channels * count);
  for (let channel = 0; channel < num_channels; channel++) {
    const plane = values.subarray(channel * count, (channel + 1) * count);
    for (let place = 0; place < count; place++) {
      const [r, g, b] = rgba.subarray(4 * place, 4 * place + 3);
      const gray = Math.floor((r * 19595 + g * 38470 + b * 7471 + 32768) / 65536);
      plane[place] = (num_channels === 1 ? gray : [r, g, b][channel]) / 255;
    }
    if (contrast_percentiles) stretchContrast(plane, contrast_percentiles);
    const [shift, scale] = [mean, std].map((numbers) => numbers[channel] ?? numbers[0]);
    plane.forEach((value, place) => (plane[place] = (value - shift) / scale));
  }
  return values;
}

// Stretches values between two of their percentiles to [0, 1], in place; what has one value between them stays.
function stretchContrast(values, percentiles) {
  const ordered = values.slice().sort();
  const [low, high] = percentiles.map((percentile) => ordered[Math.round((percentile / 100) * (ordered.length - 1))]);
  if (high <= low) return;
  values.forEach((value, place) => (values[place] = Math.min(1, Math.max(0, (value - low) / (high - low)))));
}

// The expressions of a crop, likeliest first, and where on it they were read; null where the network has no map.
export async function readCrop(ort, session, rgba, card) {
  const { height, width, num_channels } = card.pixels;
  const input = new ort.Tensor("float32", toPixelValues(rgba, card.pixels), [1, num_channels, height, width]);
  const { probabilities, relevance_map } = await session.run({ pixel_values: input });
  const expressions = card.labels.map((label, place) => ({ label, probability: probabilities.data[place] }));
  expressions.sort((one, other) => other.probability - one.probability);
  return { expressions, relevanceMap: relevance_map?.data ?? null };
}
// --8<-- [end:read]
