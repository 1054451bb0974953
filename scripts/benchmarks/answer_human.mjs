// What human's emotion network answers to the crops of a folder; started by scripts/compare_packages.py.
import { human, open } from "./human.mjs";
import { answerCrops } from "./shared.mjs";

const { tf } = human;
const network = human.models.models.emotion;
const [, height, width] = network.inputs[0].shape;

// As src/gear/emotion.ts of the package has them; no call of the package reads a crop without a search.
const CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
const GRAY = [0.2989, 0.587, 0.114];

// What the network takes, of a face (1, height, width, 3) in [0, 1].
function prepare(face) {
  const gray = tf.sum(tf.mul(tf.image.resizeBilinear(face, [height, width]), GRAY), 3, true);
  return tf.mul(tf.sub(gray, 0.5), 2);
}

await answerCrops(process.argv[2], async (file) => {
  const crop = await open(file);
  const answer = tf.tidy(() => network.execute(prepare(tf.div(crop, 255))));
  const probabilities = await answer.data();
  tf.dispose([crop, answer]);
  return Object.fromEntries(CLASSES.map((name, place) => [name, probabilities[place]]));
});
