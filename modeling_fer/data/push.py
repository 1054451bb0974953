"""A prepared data set, uploaded to the Hub."""

from pathlib import Path

import httpx
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError


def push_dataset(folder: str | Path, repository: str, private: bool = False) -> str:
    """Uploads parquet files, card and report of a prepared data set, in one commit. The contact sheet of photos stays at home.

    Args:
        folder: from `finish`.
        repository: `user/name`; made if it does not exist.
        private: whether a new repository is private.

    Returns:
        The address of the commit.

    Raises:
        ConnectionError: the Hub cannot be reached or refuses; the sentence says what to do.
    """
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            ignore_patterns=["report/*.png", "work/*"],
            commit_message="Upload prepared data set",
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, httpx.TransportError) as error:
        raise ConnectionError(
            f"{repository} could not be uploaded ({error}); check the connection, and log in with `hf auth login`. "
            f"The prepared data set is whole in {folder}."
        ) from error
    return str(commit.commit_url)
