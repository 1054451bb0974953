"""A small server that speaks the parts of the Hub's HTTP interface that uploads and downloads need, with faults on demand."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

TOKEN = "hf_writer"
LFS_SUFFIXES = (".safetensors", ".parquet", ".jpg", ".png")


def git_oid(content: bytes) -> str:
    """The name that git gives a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Repository:
    """Commits by their name, branches and tags by theirs, and large files by their hash."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})
    references: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})
    tags: dict[str, str] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)

    def commit_of(self, revision: str) -> str | None:
        found = self.references.get(revision) or self.tags.get(revision)
        return found or (revision if revision in self.commits else None)


@dataclass
class Hub:
    """Attributes:
    repositories: by `models/user/name`, `datasets/user/name` or `spaces/user/name`.
    requests: method and path of every request.
    faults: for a part of a method and path the status to answer with, or `cut` to end the connection; each is used once.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[tuple[str, int | str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: str, files: dict[str, bytes]) -> None:
        """A repository that is there from the start."""
        self.repositories[key] = Repository(commits={"1" * 40: files}, references={"main": "1" * 40})

    def fault(self, request: str) -> int | str | None:
        with self.lock:
            for position, (part, fault) in enumerate(self.faults):
                if part in request:
                    del self.faults[position]
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status: int, content: bytes | dict | list = b"", **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def dispatch(self) -> None:
        path = unquote(urlparse(self.path).path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        fault = self.hub.fault(request)
        if fault == "cut":
            self.rfile.read(min(1000, int(self.headers.get("Content-Length", 0))))
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.read_chunks()
        if fault is not None:
            self.answer(int(fault), {"error": "a fault was asked for"})
            return
        with self.hub.lock:
            for method, pattern, handler in ROUTES:
                if self.command in method.split("|") and (match := re.fullmatch(pattern, path)):
                    handler(self, body, *match.groups())
                    return
        self.answer(404, {"error": f"no route for {request}"})

    def read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_HEAD = do_POST = do_PUT = dispatch  # noqa: N815

    def may_write(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.answer(401, {"error": "Invalid username or password."})
        return False

    def find(self, kind: str, name: str) -> Repository | None:
        repository = self.hub.repositories.get(f"{kind}/{name}")
        if repository is None or (repository.private and self.headers.get("Authorization") != f"Bearer {TOKEN}"):
            self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return None
        return repository


def create(handler: Handler, body: bytes) -> None:
    if not handler.may_write():
        return
    wanted = json.loads(body)
    name = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
    key = f"{wanted.get('type', 'model')}s/{name}"
    prefix = "" if key.startswith("models/") else key.split("/")[0] + "/"
    status = 409 if key in handler.hub.repositories else 200
    handler.hub.repositories.setdefault(key, Repository(wanted.get("visibility") == "private"))
    handler.answer(status, {"url": f"{handler.hub.address}/{prefix}{name}", "name": name})


def validate_yaml(handler: Handler, body: bytes) -> None:
    handler.answer(200, {"errors": [], "warnings": []})


def preupload(handler: Handler, body: bytes, kind: str, name: str, revision: str) -> None:
    if not handler.may_write() or (repository := handler.find(kind, name)) is None:
        return
    current = repository.commits[repository.references[revision]]
    files = []
    for file in json.loads(body)["files"]:
        large = file["path"].endswith(LFS_SUFFIXES)
        known = current.get(file["path"])
        oid = None if known is None else (sha256 if large else git_oid)(known)
        mode = "lfs" if large else "regular"
        files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    handler.answer(200, {"files": files})


def lfs_batch(handler: Handler, body: bytes, prefix: str | None, name: str) -> None:
    kind = (prefix or "models/").rstrip("/")
    if not handler.may_write() or (repository := handler.find(kind, name)) is None:
        return
    objects = []
    for wanted in json.loads(body)["objects"]:
        upload = {"href": f"{handler.hub.address}/lfs/{kind}/{name}/{wanted['oid']}"}
        actions = {} if wanted["oid"] in repository.large else {"actions": {"upload": upload}}
        objects.append({**wanted, **actions})
    handler.answer(200, {"transfer": "basic", "objects": objects})


def lfs_put(handler: Handler, body: bytes, kind: str, name: str, oid: str) -> None:
    if sha256(body) != oid:
        handler.answer(400, {"error": "the content is not what its name says"})
        return
    handler.hub.repositories[f"{kind}/{name}"].large[oid] = body
    handler.answer(200)


def commit(handler: Handler, body: bytes, kind: str, name: str, revision: str) -> None:
    if not handler.may_write() or (repository := handler.find(kind, name)) is None:
        return
    files = dict(repository.commits[repository.references[revision]])
    for line in body.decode().splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif operation["key"] == "lfsFile":
            files[value["path"]] = repository.large[value["oid"]]
        elif operation["key"] == "deletedFile":
            del files[value["path"]]
    oid = git_oid(body + str(len(repository.commits)).encode())
    repository.commits[oid] = files
    repository.references[revision] = oid
    prefix = "" if kind == "models" else f"{kind}/"
    handler.answer(200, {"commitUrl": f"{handler.hub.address}/{prefix}{name}/commit/{oid}", "commitOid": oid, "success": True})


def branch(handler: Handler, body: bytes, kind: str, name: str, revision: str) -> None:
    if handler.may_write() and (repository := handler.find(kind, name)) is not None:
        known = revision in repository.references
        repository.references.setdefault(revision, repository.references["main"])
        handler.answer(409 if known else 200, {})


def tag(handler: Handler, body: bytes, kind: str, name: str, revision: str) -> None:
    if handler.may_write() and (repository := handler.find(kind, name)) is not None:
        wanted = json.loads(body)["tag"]
        known = wanted in repository.tags
        repository.tags.setdefault(wanted, repository.commit_of(revision) or "")
        handler.answer(409 if known else 200, {})


def information(handler: Handler, body: bytes, kind: str, name: str, revision: str | None) -> None:
    if (repository := handler.find(kind, name)) is None:
        return
    oid = repository.commit_of(revision or "main")
    if oid is None:
        handler.answer(404, {"error": "Revision not found"}, X_Error_Code="RevisionNotFound")
        return
    siblings = [{"rfilename": path, "size": len(content)} for path, content in repository.commits[oid].items()]
    handler.answer(200, {"id": name, "sha": oid, "private": repository.private, "siblings": siblings, "tags": []})


def tree(handler: Handler, body: bytes, kind: str, name: str, revision: str, folder: str | None) -> None:
    if (repository := handler.find(kind, name)) is None:
        return
    files = repository.commits[repository.commit_of(revision) or ""]
    inside = {path: content for path, content in files.items() if path.startswith((folder or "").strip("/"))}
    entries = [
        {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)} for path, content in inside.items()
    ]
    handler.answer(200, entries)


def resolve(handler: Handler, body: bytes, prefix: str | None, name: str, revision: str, path: str) -> None:
    if (repository := handler.find((prefix or "models/").rstrip("/"), name)) is None:
        return
    oid = repository.commit_of(revision)
    if oid is None:
        handler.answer(404, {}, X_Error_Code="RevisionNotFound")
    elif path not in repository.commits[oid]:
        handler.answer(404, {}, X_Error_Code="EntryNotFound", X_Repo_Commit=oid)
    else:
        content = repository.commits[oid][path]
        etag = (sha256 if path.endswith(LFS_SUFFIXES) else git_oid)(content)
        handler.answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=oid)


KIND, NAME = "(models|datasets|spaces)", "([^/]+/[^/]+)"
ROUTES = [
    ("POST", "/api/repos/create", create),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("POST", f"/api/{KIND}/{NAME}/preupload/(.+)", preupload),
    ("POST", f"/(datasets/|spaces/)?{NAME}\\.git/info/lfs/objects/batch", lfs_batch),
    ("PUT", f"/lfs/{KIND}/{NAME}/([0-9a-f]+)", lfs_put),
    ("POST", f"/api/{KIND}/{NAME}/commit/(.+)", commit),
    ("POST", f"/api/{KIND}/{NAME}/branch/(.+)", branch),
    ("POST", f"/api/{KIND}/{NAME}/tag/(.+)", tag),
    ("GET|HEAD", f"/api/{KIND}/{NAME}/tree/([^/]+)(/.*)?", tree),
    ("GET|HEAD", f"/api/{KIND}/{NAME}(?:/revision/(.+))?", information),
    ("GET|HEAD", f"/(datasets/|spaces/)?{NAME}/resolve/([^/]+)/(.+)", resolve),
]


@contextmanager
def serve():
    """A running server, empty, on a port of its own."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
