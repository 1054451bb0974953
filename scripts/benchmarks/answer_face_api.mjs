// What face-api's expression network answers to the crops of a folder; started by scripts/compare_packages.py.
import { faceapi, load, open } from "./face_api.mjs";
import { answerCrops } from "./shared.mjs";

await load("faceExpressionNet");

await answerCrops(process.argv[2], async (file) => {
  const crop = await open(file);
  const expressions = await faceapi.nets.faceExpressionNet.predictExpressions(crop);
  crop.dispose();
  return expressions;
});
