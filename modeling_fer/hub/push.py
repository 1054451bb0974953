"""A folder that is laid out as a Hub repository, uploaded in one commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi

# HTTPError is httpx's, or from version 2 of huggingface_hub on httpx2's; taken from there it is the right one of both.
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

REPOSITORY_TYPES = ("model", "dataset", "space")

REPLACED = {"dataset": ["data/*.parquet"]}
"""Files of a repository that a push removes where it does not send them: the old parts of a data set would be read beside the new
ones, which may be fewer or more."""


@dataclass(frozen=True)
class Push:
    """What is uploaded and where.

    Attributes:
        folder: holds the files of the repository.
        repository: `user/name`; made if it does not exist.
        kind: `model`, `dataset` or `space`.
        private: whether a new repository is private.
        revision: branch that is committed to; made from main if it does not exist.
        tag: name that the commit is given.
        ignored: patterns of files that stay at home.
    """

    folder: Path
    repository: str
    kind: str = "model"
    private: bool = False
    revision: str = "main"
    tag: str | None = None
    ignored: tuple[str, ...] = field(
        default=("report/*.png", "report/plan.json", "work/*", "*/__pycache__/*", "__pycache__/*", ".*", "*/.*")
    )

    def __post_init__(self) -> None:
        if self.kind not in REPOSITORY_TYPES:
            raise ValueError(f"kind is {self.kind!r}, but must be one of {', '.join(REPOSITORY_TYPES)}.")
        if not Path(self.folder).is_dir():
            raise FileNotFoundError(f"{self.folder} is not a folder; give the one that is to be uploaded.")


def list_files(push: Push) -> list[Path]:
    """What would be sent, relative to the folder."""
    files = (file.relative_to(push.folder).as_posix() for file in sorted(push.folder.rglob("*")) if file.is_file())
    return [Path(file) for file in files if not any(fnmatch(file, pattern) for pattern in push.ignored)]


@contextmanager
def explained(push: Push) -> Iterator[None]:
    """Turns the client's errors into one sentence that says what to do.

    Raises:
        ConnectionError: the Hub cannot be reached, or refuses.
    """
    whole = f"Nothing was published of {push.folder}; the same command tries again."
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise ConnectionError(
            f"Nobody is logged in to the Hub; log in with `hf auth login` or set HF_TOKEN. {whole}"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise ConnectionError(
                f"The Hub refuses to write to {push.repository} ({status}); log in with `hf auth login` or set HF_TOKEN to a token "
                f"that may write there. {whole}"
            ) from error
        raise ConnectionError(f"The Hub answered {status} to the upload to {push.repository}. {whole}") from error
    # The client says only that it was "uploading" when the connection breaks, with the reason behind it.
    except (HTTPError, RuntimeError) as error:
        raise ConnectionError(
            f"The Hub cannot be reached ({error.__cause__ or error or type(error).__name__}). {whole}"
        ) from error
    # Large files go by hf_xet, which raises Python's own errors. One that names a file is about the user's disk.
    except OSError as error:
        if error.filename is not None:
            raise
        raise ConnectionError(f"The upload to {push.repository} failed ({error}). {whole}") from error


def upload(push: Push) -> str:
    """Uploads a folder in one commit. Where the repository has all its files already, nothing is sent.

    Returns:
        The address of the commit.

    Raises:
        ConnectionError: the Hub cannot be reached, or refuses; the repository is as it was before.
        ValueError: the tag is there already, for another commit; all else is done.
    """
    with explained(push):
        try:
            commit = send(push)
        except HfHubHTTPError as error:
            # Sending is repeatable, and servers have bad moments that the client does not wait for everywhere.
            if error.response.status_code < 500:
                raise
            commit = send(push)
    return str(commit.commit_url)


def send(push: Push) -> CommitInfo:
    """Makes the repository if need be, and commits to it; what is there already is not sent again."""
    api = HfApi()
    sdk = "gradio" if push.kind == "space" else None
    api.create_repo(push.repository, repo_type=push.kind, private=push.private, exist_ok=True, space_sdk=sdk)
    if push.revision != "main":
        api.create_branch(push.repository, branch=push.revision, repo_type=push.kind, exist_ok=True)
    commit = api.upload_folder(
        repo_id=push.repository,
        repo_type=push.kind,
        folder_path=push.folder,
        revision=push.revision,
        ignore_patterns=list(push.ignored),
        delete_patterns=REPLACED.get(push.kind),
        commit_message="Upload with modeling-fer",
    )
    if push.tag is not None:
        set_tag(api, push, push.tag, commit)
    return commit


def set_tag(api: HfApi, push: Push, tag: str, commit: CommitInfo) -> None:
    """Gives a commit its tag.

    Raises:
        ValueError: the tag is another commit's, which it stays with.
    """
    api.create_tag(push.repository, tag=tag, revision=commit.oid, repo_type=push.kind, exist_ok=True)
    # The client takes any tag of that name for the wanted one.
    tagged = api.repo_info(push.repository, repo_type=push.kind, revision=tag).sha
    if tagged != commit.oid:
        raise ValueError(
            f"{push.repository} is published as {commit.commit_url}, but the tag {tag} stays with the earlier commit {tagged}; give "
            "another --tag, or delete that one on the Hub and push again."
        )
