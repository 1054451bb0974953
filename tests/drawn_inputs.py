"""What a reader of the documentation has at hand: photos, a video, data sets in their original layouts. All is drawn, or made from a
photo in the public domain.
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from helpers import ROOT, save, write, write_clip, write_csv, write_prepared
from PIL import Image, ImageEnhance, ImageOps

PHOTO = ROOT / "space" / "examples" / "astronaut.jpg"


def open_photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB")


def copy_photo(path: Path) -> None:
    open_photo().save(path)


def draw_party(path: Path) -> None:
    """Two people: one of them twice."""
    photo = open_photo().resize((320, 320))
    both = Image.new("RGB", (640, 320))
    both.paste(photo, (0, 0))
    both.paste(ImageOps.mirror(photo), (320, 0))
    both.save(path)


def draw_photos(folder: Path) -> None:
    folder.mkdir()
    copy_photo(folder / "one.jpg")
    draw_party(folder / "two.png")


def draw_crop(path: Path) -> None:
    open_photo().crop((170, 60, 280, 180)).save(path)


def draw_crops(folder: Path) -> None:
    folder.mkdir()
    draw_crop(folder / "one.png")
    draw_crop(folder / "two.png")


def draw_clip(path: Path) -> None:
    photo = open_photo().resize((320, 320))
    write_clip(path, [photo] * 10)


def draw_labelled_photos(folder: Path) -> None:
    """Bright photos and dark ones, as if they showed two expressions."""
    for label, light in (("smile", 1.2), ("frown", 0.6)):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            photo = ImageEnhance.Brightness(open_photo().resize((256, 256))).enhance(light + number / 50)
            photo.save(folder / label / f"{number}.jpg")


def draw_table(path: Path) -> None:
    """A table of 12 photos of four people."""
    rows = []
    for number in range(12):
        save(path.parent / "faces" / f"{number}.png")
        rows.append((f"faces/{number}.png", ("happy", "sad")[number % 2], f"person {number % 4}"))
    write_csv(path, ["image", "label", "subject"], rows)


def draw_ckplus(root: Path) -> None:
    """Sequences of ten people, happy and surprised."""
    for person in range(10):
        for sequence, code in (("001", 5), ("002", 7)):
            subject = f"S{person:03d}"
            for number in range(1, 7):
                name = f"{subject}_{sequence}_{number:08d}"
                save(root / "images" / subject / sequence / f"{name}.png")
                points = "\n".join(f"   {10 + i * 0.4:.7e}   {12 + i * 0.3:.7e}" for i in range(68))
                write(root / "Landmarks" / subject / sequence / f"{name}_landmarks.txt", points)
            write(root / "Emotion" / subject / sequence / f"{subject}_{sequence}_00000006_emotion.txt", f"   {code}.0e+00\n")


def draw_jaffe(folder: Path) -> None:
    for subject in ("KA", "KL", "YM"):
        for number, code in enumerate(("AN", "HA", "NE", "SU")):
            save(folder / f"{subject}.{code}1.{number + 30}.tiff")


def draw_sfew(folder: Path) -> None:
    for split in ("Train", "Val"):
        for number, expression in enumerate(("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")):
            save(folder / split / expression / f"{number}.png", size=64, mode="RGB")


def draw_fer2013(folder: Path) -> None:
    """FER-2013's table and the votes of FER+, 24 images of gray noise."""
    rng = np.random.default_rng(0)
    usages = ["Training"] * 16 + ["PublicTest"] * 4 + ["PrivateTest"] * 4
    rows, votes = [], []
    for number, usage in enumerate(usages):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        rows.append((number % 7, pixels, usage))
        votes.append((usage, f"fer{number:07d}.png", 6, *(4 if place == number % 7 else 0 for place in range(7)), 0, 0))
    write_csv(folder / "fer2013.csv", ["emotion", "pixels", "Usage"], rows)
    expressions = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    write_csv(folder / "fer2013new.csv", ["Usage", "Image name", *expressions, "unknown", "NF"], votes)


def draw_rafdb(folder: Path) -> None:
    lines = []
    for split in ("train", "test"):
        for number in range(1, 8):
            save(folder / "basic/Image/aligned" / f"{split}_{number:05d}_aligned.jpg")
            lines.append(f"{split}_{number:05d}.jpg {number}")
    write(folder / "basic/EmoLabel/list_patition_label.txt", "\n".join(lines))


def draw_affectnet(folder: Path) -> None:
    for split in ("train_set", "val_set"):
        for number, code in enumerate(["0", "1", "2", "3", "4", "5", "6", "7"]):
            save(folder / split / "images" / f"{number}.jpg")
            annotations = folder / split / "annotations"
            annotations.mkdir(exist_ok=True)
            np.save(annotations / f"{number}_exp.npy", np.array(code))
            np.save(annotations / f"{number}_lnd.npy", np.arange(136.0) / 3)


def draw_yawns(folder: Path) -> None:
    """Photos named by what they show, for the page on adding a data set."""
    for number in range(12):
        save(folder / f"{'yawn' if number % 2 else 'rest'}_{number:03d}.png")


def draw_prepared(folder: Path) -> None:
    """A prepared data set in three splits: seven grays for seven labels, votes that mostly agree with them, landmarks."""
    from datasets import Array2D, ClassLabel, Dataset, Features, List, Value
    from datasets import Image as ImageFeature

    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    # The place of each label among the votes, which begin with neutral; 7 is contempt.
    places = [4, 5, 6, 1, 0, 3, 2]
    features = Features(
        image=ImageFeature(), label=ClassLabel(names=names), votes=List(Value("uint8"), length=10),
        landmarks=Array2D((68, 2), "float32"), face_detected=Value("bool"),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    labels = np.arange(56) % 7
    votes = np.zeros((56, 10), int)
    votes[np.arange(56), np.array(places)[labels]] = 7
    votes[np.arange(56), np.arange(56) // 7] += 3
    folder.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        grays = 40 + 25 * labels[:, None, None] + rng.integers(0, 25, (56, 48, 48))
        rows = {
            "image": [Image.fromarray(gray.astype(np.uint8)) for gray in grays],
            "label": labels.tolist(),
            "votes": votes.tolist(),
            "landmarks": rng.uniform(0, 48, (56, 68, 2)).astype("float32"),
            "face_detected": [True] * 56,
        }
        Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")


def draw_folds(folder: Path) -> None:
    """A prepared data set of one split, that says who is on each of its images."""
    from datasets import Dataset, Value

    write_prepared(folder / "parts", 48, without=("votes",))
    dataset = Dataset.from_parquet(str(folder / "parts" / "train.parquet"))
    subjects = [f"person {random.Random(row).randrange(12)}" for row in range(len(dataset))]
    dataset.add_column("subject", subjects, feature=Value("string")).to_parquet(folder / "train.parquet")
    for file in (folder / "parts").iterdir():
        file.unlink()
    (folder / "parts").rmdir()


def copy_run(folder: Path) -> None:
    """A run as training leaves it: its best checkpoint is the bundled small one."""
    from modeling_fer import FerForImageClassification, FerImageProcessor, checkpoint_folder
    from modeling_fer.training.recipe import read_recipe, write_recipe

    FerForImageClassification.from_pretrained(checkpoint_folder("fer-tiny")).save_pretrained(folder / "best")
    FerImageProcessor.from_pretrained(checkpoint_folder("fer-tiny")).save_pretrained(folder / "best")
    write_recipe(read_recipe("fer_tiny"), folder / "recipe.yaml")


INPUTS: dict[str, Callable[[Path], None]] = {
    "party.jpg": draw_party,
    "photo.jpg": copy_photo,
    "face.png": draw_crop,
    "photos/": draw_photos,
    "crops/": draw_crops,
    "clip.mp4": draw_clip,
    "my-photos/": draw_labelled_photos,
    "labels.csv": draw_table,
    "CK+/": draw_ckplus,
    "JAFFE/": draw_jaffe,
    "SFEW/": draw_sfew,
    "SFEW_aligned/": draw_sfew,
    "FER2013/": draw_fer2013,
    "RAF-DB/": draw_rafdb,
    "AffectNet/": draw_affectnet,
    "yawns/": draw_yawns,
    "prepared/faces": draw_prepared,
    "prepared/people": draw_folds,
    "runs/published": copy_run,
}
"""By the name that pages use for it, what is drawn there."""


def draw_inputs(text: str, folder: Path) -> None:
    """Draws in a folder what a text names."""
    for name, draw in INPUTS.items():
        if name in text:
            draw(folder / name)
