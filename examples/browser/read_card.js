// What a model.onnx says of itself: the names of the expressions, how crops become pixels, how faces are cut.
// onnxruntime-web does not hand it on. It is read from the file, which is a protocol buffer: a row of numbered fields.

const METADATA = 14; // metadata_props of a ModelProto, each of a key (field 1) and a value (field 2)
const [VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES] = [0, 1, 2, 5];

// From the bytes of a model.onnx to its description; an Error where `fer export` did not write it.
export function readCard(file) {
  const text = new TextDecoder();
  for (const [number, content] of fieldsOf(file)) {
    if (number !== METADATA) continue;
    const entry = new Map(fieldsOf(content));
    if (text.decode(entry.get(1)) === "modeling_fer") return JSON.parse(text.decode(entry.get(2)));
  }
  throw new Error("The file does not say how faces become its input; give a model.onnx that fer export wrote.");
}

// The fields of a message: [number, bytes], those that hold a number left out.
function* fieldsOf(bytes) {
  let place = 0;
  const readNumber = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[place++];
      value += (byte & 127) * factor;
      if (!(byte & 128)) return value;
    }
  };
  while (place < bytes.length) {
    const tag = readNumber();
    const kind = tag % 8;
    if (kind === VARINT) readNumber();
    else if (kind === EIGHT_BYTES) place += 8;
    else if (kind === FOUR_BYTES) place += 4;
    else if (kind === BYTES) {
      const length = readNumber();
      yield [Math.floor(tag / 8), bytes.subarray(place, place + length)];
      place += length;
    } else throw new Error("The file is not an ONNX file.");
  }
}
