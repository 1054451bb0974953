"""One run of `fer predict`: photos and videos read, and what is found written, drawn and shown as it comes."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from modeling_fer.answers_fer import Answer, Faces
from modeling_fer.commands.console import Console, is_terminal
from modeling_fer.images_fer import about_pictures
from modeling_fer.inference.engines import ReaderSettings
from modeling_fer.inference.media import Source, readable
from modeling_fer.inference.outputs import OutputNames, write_picture
from modeling_fer.inference.photos import PhotoResult, PhotoSettings, read_in_processes, read_photos
from modeling_fer.inference.tables import Columns, RowFile, face_columns, face_rows, open_rows, track_columns, track_row
from modeling_fer.reading_fer import FaceReader

if TYPE_CHECKING:
    from modeling_fer.inference.tracking import TrackSummary
    from modeling_fer.inference.video_writer import VideoWriter

Item = TypeVar("Item")


@dataclass(frozen=True)
class PredictSettings:
    """What `fer predict` was told.

    Attributes:
        reader: what finds and reads the faces of photos.
        workers: processes that read photos; by cores and photos where it is None.
        output: file for the rows, `-` for the standard output; none where it is None.
        overlay: folder for what is drawn.
        fps: frames a second to look at.
        smoothing: seconds that a face's probabilities in a video are smoothed over.
        search_every: see `analyse_video`.
        batch_size: faces that go through the network at once; 32 of photos, 8 of videos where it is None.
        top_k: how many expressions of a face are shown.
        faces_only: pictures without a face have no row.
        sets: how often the sets of expressions hold the right one; they are not told where it is None.
    """

    reader: ReaderSettings = ReaderSettings()
    workers: int | None = None
    output: Path | None = None
    overlay: Path | None = None
    fps: float = 5.0
    smoothing: float = 0.4
    search_every: float | None = None
    batch_size: int | None = None
    top_k: int = 3
    faces_only: bool = False
    sets: float | None = None

    @property
    def writes_to_stdout(self) -> bool:
        """Whether the rows take the place of the lines for people."""
        return str(self.output) == "-"


class OutputError(Exception):
    """The rows can be written no longer, so that going on would be in vain."""


@dataclass
class Run:
    """One call of `fer predict`."""

    settings: PredictSettings
    console: Console
    sources: list[Source]
    photo_reader: FaceReader
    video_reader: FaceReader
    workers: int = 1
    rows: RowFile | None = field(default=None, init=False)
    track_rows: RowFile | None = field(default=None, init=False)

    def read(self) -> None:
        """Reads everything: photos first, then videos, cameras and streams.

        Raises:
            OutputError: the rows cannot be written.
        """
        overlay = self.settings.overlay
        inputs = [source.path for source in self.sources if source.path is not None]
        self.names = None if overlay is None else OutputNames(overlay, inputs)
        photos = [source for source in self.sources if source.kind == "photo"]
        videos = [source for source in self.sources if source.kind != "photo"]
        self.timed = bool(videos)
        with self._writing(), ExitStack() as self.outputs:
            self._read_photos(photos)
            for video in videos:
                if self.in_vain:
                    return
                self._read_video(video)

    @property
    def in_vain(self) -> bool:
        """Whether what is still to be read would be seen by nobody, as when `head` has its lines."""
        return self.console.deserted and self.settings.output is None and self.settings.overlay is None

    @property
    def kept(self) -> str:
        """What an interrupted run leaves."""
        nothing = self.settings.output is not None and self.rows is None
        return "no row is written yet." if nothing else "the results so far are kept."

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong with the rows ends the run."""
        try:
            yield
        except BrokenPipeError:
            # Whoever read the rows has enough of them.
            self.console.desert()
        except OSError as error:
            raise OutputError(
                f"{error.filename or self.settings.output} cannot be written: {error.strerror or error}."
            ) from error

    def _write(self, name: str, faces: Faces, frame: int | None = None, time: float | None = None) -> None:
        """Adds the rows of a photo or frame. The first ones open the file: a run that reads nothing leaves that of before."""
        if self.settings.output is None:
            return
        if self.rows is None:
            # The tracks of an earlier run would look like those of this one.
            if not self.settings.writes_to_stdout:
                tracks_beside(self.settings.output).unlink(missing_ok=True)
            self.rows = self._open_rows(self.settings.output, face_columns(self.labels, self.timed, self.tells_sets))
        empty = not self.settings.faces_only
        self.rows.write(face_rows(readable(name), faces, frame, time, empty, self.settings.sets))

    def _write_tracks(self, name: str, tracks: Sequence["TrackSummary"]) -> None:
        """Adds the rows of a video's faces to the file beside the one of the rows."""
        output = self.settings.output
        if output is None or self.rows is None or self.settings.writes_to_stdout:
            return
        if self.track_rows is None:
            columns = track_columns(self.labels, self.tells_sets)
            self.track_rows = self._open_rows(tracks_beside(output), columns)
        self.track_rows.write([track_row(readable(name), track, self.settings.sets) for track in tracks])

    def _open_rows(self, output: Path, columns: Columns) -> RowFile:
        return self.outputs.enter_context(open_rows(output, columns))

    @property
    def labels(self) -> list[str]:
        """All expressions."""
        return list(self.photo_reader.network.labels)

    @property
    def tells_sets(self) -> bool:
        """Whether the sets of expressions are told."""
        return self.settings.sets is not None

    def _read_photos(self, photos: Sequence[Source]) -> None:
        settings = self.settings
        at_once = settings.batch_size or PhotoSettings.batch_size
        options = PhotoSettings(settings.reader.detect, at_once, draw=settings.overlay is not None)
        if self.workers > 1 and len(photos) > 1:
            reader = replace(settings.reader, threads=1)
            results = read_in_processes(reader, photos, options, min(self.workers, len(photos)))
        else:
            results = read_photos(self.photo_reader, photos, options)
        try:
            for source, result in zip(photos, self._shown(results, "reading photos", len(photos)), strict=True):
                self._take_photo(source, result)
                if self.in_vain:
                    return
        except ChildProcessError as error:
            self.console.complain("photos", str(error))

    def _take_photo(self, source: Source, result: PhotoResult) -> None:
        """Writes, draws and shows what was read in a photo."""
        if result.faces is None:
            self.console.complain(source.name, result.error)
            return
        if result.pictures > 1:
            self.console.note(f"{source.name} {about_pictures(source.name, result.pictures)}")
        self._write(source.name, result.faces)
        self._save_drawing(source, result.drawing)
        self._show_faces(source.name, result.faces)

    def _save_drawing(self, source: Source, drawing: bytes | None) -> None:
        if self.names is None or drawing is None:
            return
        path = self.names.choose(source.stem, ".png")
        try:
            write_picture(drawing, path)
        except OSError as error:
            self.console.complain(str(path), f"cannot be written: {error.strerror or error}.")

    def _read_video(self, source: Source) -> None:
        """Reads a video, camera or stream, as far as it can be read."""
        try:
            from modeling_fer.inference.tracking import TrackSums
            from modeling_fer.inference.video import BATCH_SIZE, analyse_video
        except ImportError:
            self.console.complain(source.name, "videos need further packages; run: pip install 'modeling-fer[video]'")
            return
        settings, live, sums = self.settings, source.kind == "live", TrackSums()
        shown = analyse_video(
            self.video_reader,
            source.name,
            settings.fps,
            settings.smoothing,
            settings.batch_size or BATCH_SIZE,
            live=live,
            search_every=settings.search_every,
            detect=settings.reader.detect,
        )
        try:
            with VideoOverlay(self.names, source, settings.fps, self.console) as overlay:
                for frame, faces in self._shown(shown, f"reading {Path(source.name).name}"):
                    self._write(source.name, faces, frame.number, frame.time)
                    overlay.write(frame.image, faces, frame.time)
                    sums.add(frame.time, faces)
                    if live:
                        self._show_frame(frame.time, faces)
                    if self.in_vain:
                        break
        except ValueError as error:
            self.console.complain(source.name, str(error))
        finally:
            self._write_tracks(source.name, sums.summaries())
        for track in sums.summaries():
            seen = f"{track.first:.1f} to {track.last:.1f} s"
            self.console.say(source.name, f"track {track.track}", seen, self._told(track))
        if sums.frames and not sums.tracks:
            self.console.say(source.name, "0", "", nobody_followed(sums.passing))

    def _shown(self, items: Iterable[Item], title: str, total: int | None = None) -> Iterable[Item]:
        """The same items, with a bar that shows how far they are where nothing else does."""
        if self.console.on_screen or not is_terminal(sys.stderr) or total == 1:
            return items
        from rich.console import Console as RichConsole
        from rich.progress import track

        return track(items, title, total=total, console=RichConsole(stderr=True), transient=True)

    def _show_faces(self, name: str, faces: Faces) -> None:
        """A line for each face of a photo."""
        for number, face in enumerate(faces, start=1):
            self.console.say(name, str(number), " ".join(map(str, face.box)), self._told(face))
        if not faces:
            self.console.say(name, "0", "", "no face found")

    def _show_frame(self, time: float, faces: Faces) -> None:
        """A line for each face of a frame that was just seen."""
        for face in faces:
            track = "" if face.track is None else f"track {face.track}"
            self.console.say(f"{time:.1f} s", track, " ".join(map(str, face.box)), self._told(face))

    def _told(self, answer: Answer) -> str:
        """What is said of a face: its likeliest expressions, whether they are uncertain, and the set if it is asked for."""
        shown = list(answer.scores.items())[: self.settings.top_k]
        told = ", ".join(f"{label} {score:.1%}" for label, score in shown)
        if answer.uncertain:
            told = f"uncertain: {told}"
        sets = self.settings.sets
        return told if sets is None else f"{told}; {sets:.0%} set: {', '.join(answer.expression_set(sets))}"


def tracks_beside(output: Path) -> Path:
    """The file for the tracks of videos that belongs to one for rows."""
    return output.with_suffix(f".tracks{output.suffix}")


def nobody_followed(passing: int) -> str:
    """What is said of a video none of whose faces was followed: how many were seen, each in one of the frames looked at."""
    if not passing:
        return "no face found"
    faces = "1 face" if passing == 1 else f"{passing} faces"
    return f"{faces} in single frames only; a higher --fps looks at more frames, if the video has more"


class VideoOverlay:
    """The annotated form of a video, which starts with its first frame. One that cannot be written is complained of once.

    Args:
        names: chooses the file; None where nothing is to be drawn.
        source: the video.
        fps: frames a second, about.
        console: told what goes wrong.
    """

    def __init__(self, names: OutputNames | None, source: Source, fps: float, console: Console):
        self.names, self.source, self.fps, self.console = names, source, fps, console
        self.writer: VideoWriter | None = None

    def __enter__(self) -> "VideoOverlay":
        return self

    def write(self, image: Image.Image, faces: Faces, time: float) -> None:
        """Draws a frame."""
        if self.names is None:
            return
        try:
            if self.writer is None:
                self.writer = self._start(self.names)
            self.writer.write(image, faces, time)
        except (OSError, ValueError) as error:
            self.names = None
            self._complain(error)

    def _start(self, names: OutputNames) -> "VideoWriter":
        from modeling_fer.inference.video_writer import VideoWriter

        live = self.source.kind == "live"
        self.path = names.choose(self.source.stem, ".mp4")
        return VideoWriter(self.path, self.fps, None if live else self.source.name, streaming=live)

    def __exit__(self, *error: object) -> None:
        if self.writer is not None:
            try:
                self.writer.__exit__(*error)
            except (OSError, ValueError) as failed:
                # What failed before fails once more where the rest is to be written.
                if self.names is not None:
                    self._complain(failed)

    def _complain(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        self.console.complain(str(self.path), f"cannot be written: {reason}.")
