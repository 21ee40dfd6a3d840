"""A container: a Dockerfile and a server beside an exported classifier, with the packages of its runtime alone."""

import shutil
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.runtimes.base import packages_of
from pipeline.system.packages import pinned

BASE_MB = 125  # of python:3.12-slim, unpacked
SERVER = Path(__file__).parent / "server.py"
INDEX_OF_TORCH = """# the usual torch is for GPUs and takes gigabytes; another index: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
"""
DOCKERFILE = """FROM python:{python}-slim
WORKDIR /classifier
COPY requirements.txt .
{index}RUN pip install --no-cache-dir -r requirements.txt
COPY . .
USER 1000
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=5)"
CMD ["python", "server.py", "--host", "0.0.0.0"]
"""


def write(folder: Path) -> str:
    """Write Dockerfile, server.py and requirements.txt into a folder that has a `handler.py`; returns the image's size."""
    packages = packages_of(folder)
    (folder / "requirements.txt").write_text("\n".join([*pinned(packages), ""]), encoding="utf-8")
    shutil.copy(SERVER, folder / "server.py")
    index = INDEX_OF_TORCH if "torch" in packages else ""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "Dockerfile").write_text(DOCKERFILE.format(python=python, index=index), encoding="utf-8")
    sizes = {name: installed_bytes(name) / 1e6 for name in with_requirements(packages)}
    model = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    largest = sorted(sizes, key=lambda name: -sizes[name])[:4]
    told = ", ".join(f"{name} {sizes[name]:.0f}" for name in largest)
    of_packages = sum(sizes.values())
    parts = f"python {BASE_MB}, {len(sizes)} packages {of_packages:.0f} ({told}, ...), model {model:.0f}"
    return f"about {BASE_MB + of_packages + model:.0f} MB: {parts}"


def with_requirements(names: tuple[str, ...]) -> list[str]:
    """Installed packages with all that they require, as pip would install them."""
    found: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.append(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def installed_bytes(name: str) -> int:
    """The bytes of the files of an installed package."""
    files = [Path(str(file.locate())) for file in metadata.files(name) or ()]
    return sum(file.stat().st_size for file in files if file.is_file())
