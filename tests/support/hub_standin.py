"""A small Hub on 127.0.0.1, in memory: what huggingface_hub calls to create, fill, list and read a model repository.

It stands in for https://huggingface.co where HF_ENDPOINT names it. Files in `LARGE` go the way of large files (LFS).
Whatever it refuses, it answers with the token that it was sent: nothing of that may be shown.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_StandInSecretOfAda"
LARGE = (".safetensors", ".onnx", ".png")
ID = r"(?P<id>[\w.-]+/[\w.-]+)"


class Hub(ThreadingHTTPServer):
    """The server and what it holds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.commits: dict[str, list[str]] = {}  # messages, by repository
        self.stored: dict[str, bytes] = {}  # large files by their SHA-256
        self.role = "write"  # of the token
        self.fault: tuple[str, int] | None = None  # part of a path, and the status it gets; 0: the connection ends
        self.requests: list[str] = []
        self.ada: Any = None  # who asks it

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def revision(self, repository: str) -> str:
        digest = hashlib.sha1(repr((repository, self.commits[repository])).encode())
        for name, content in sorted(self.repositories[repository].items()):
            digest.update(name.encode() + content)
        return digest.hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    """A Hub without repositories; its user is ada, who also belongs to the organization acme."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One request: `ROUTES` says which method answers it."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client went away
            self.close_connection = True

    def answer_request(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append(f"{self.command} {path}")
        self.body = self.read_body()
        if self.server.fault and self.server.fault[0] in path:
            return self.refuse(self.server.fault[1])
        writes = self.command in ("POST", "PUT") and not path.startswith("/storage/")
        if (writes or "whoami" in path) and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.refuse(401)
        for method, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                if "id" in match.groupdict() and match["id"] not in self.server.repositories:
                    return self.refuse(404, "RepoNotFound")
                return getattr(self, name)(**match.groupdict())  # type: ignore[no-any-return]
        return self.refuse(404)

    do_GET = do_HEAD = do_POST = do_PUT = answer_request

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def send(self, content: Any, status: int = 200, **headers: str) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else raw)

    def refuse(self, status: int, code: str = "") -> None:
        if status == 0:
            self.close_connection = True
            return
        message = f"not with {self.headers.get('Authorization')}"
        self.send({"error": message}, status, X_Error_Message=message, **({"X_Error_Code": code} if code else {}))

    def whoami(self) -> None:
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": self.server.role}}
        self.send({"type": "user", "name": "ada", "orgs": [{"type": "org", "name": "acme"}], "auth": auth})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'ada'}/{asked['name']}"
        if name.split("/")[0] not in ("ada", "acme"):
            return self.refuse(403)
        there = name in self.server.repositories
        self.server.repositories.setdefault(name, {".gitattributes": b""})
        self.server.commits.setdefault(name, ["initial commit"])
        return self.send({"url": f"{self.server.address}/{name}", "id": name}, 409 if there else 200)

    def validate(self) -> None:
        assert json.loads(self.body)["content"].startswith("---\n")
        self.send({"errors": [], "warnings": []})

    def preupload(self, id: str) -> None:
        names = [file["path"] for file in json.loads(self.body)["files"]]
        modes = {name: "lfs" if name.endswith(LARGE) else "regular" for name in names}
        self.send({"files": [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]})

    def batch(self, id: str) -> None:
        objects = json.loads(self.body)["objects"]
        for item in objects:
            item["actions"] = {"upload": {"href": f"{self.server.address}/storage/{item['oid']}"}}
        self.send({"transfer": "basic", "objects": objects})

    def store(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.stored[oid] = self.body
        self.send({})

    def commit(self, id: str) -> None:
        files = dict(self.server.repositories[id])
        for line in self.body.splitlines():
            key, value = (parsed := json.loads(line))["key"], parsed["value"]
            if key == "header":
                message = value["summary"]
            elif key == "deletedFile":
                del files[value["path"]]
            else:
                files[value["path"]] = (
                    base64.b64decode(value["content"]) if key == "file" else self.server.stored[value["oid"]]
                )
        self.server.repositories[id] = files
        self.server.commits[id].append(message)
        revision = self.server.revision(id)
        self.send({"commitUrl": f"{self.server.address}/{id}/commit/{revision}", "commitOid": revision})

    def info(self, id: str) -> None:
        siblings = [{"rfilename": name} for name in self.server.repositories[id]]
        self.send({"id": id, "sha": self.server.revision(id), "siblings": siblings, "tags": [], "private": False})

    def tree(self, id: str, folder: str | None) -> None:
        below = f"{folder}/" if folder else ""
        files = [(name, content) for name, content in self.server.repositories[id].items() if name.startswith(below)]
        if folder and not files:
            return self.refuse(404, "EntryNotFound")
        oids = {name: hashlib.sha1(content).hexdigest() for name, content in files}
        return self.send([{"type": "file", "path": name, "size": len(c), "oid": oids[name]} for name, c in files])

    def resolve(self, id: str, name: str) -> None:
        content = self.server.repositories[id].get(name)
        if content is None:
            return self.refuse(404, "EntryNotFound")
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self.send(content, ETag=etag, X_Repo_Commit=self.server.revision(id))


ROUTES = (
    ("GET", "/api/whoami-v2", "whoami"),
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "validate"),
    ("POST", f"/api/models/{ID}/preupload/main", "preupload"),
    ("POST", f"/{ID}.git/info/lfs/objects/batch", "batch"),
    ("PUT", "/storage/(?P<oid>[0-9a-f]{64})", "store"),
    ("POST", f"/api/models/{ID}/commit/main", "commit"),
    ("GET", rf"/api/models/{ID}(?:/revision/\w+)?", "info"),
    ("GET", rf"/api/models/{ID}/tree/\w+(?:/(?P<folder>.+))?", "tree"),
    ("GET", rf"/{ID}/resolve/\w+/(?P<name>.+)", "resolve"),
    ("HEAD", rf"/{ID}/resolve/\w+/(?P<name>.+)", "resolve"),
)
