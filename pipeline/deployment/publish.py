"""Publishing on the Hugging Face Hub: an artifact, a model card with the measured table, and the plot, in one commit.

It is the last part of a run, so a failing Hub costs only the upload. HF_ENDPOINT names the Hub. The token is given to the
Hub's client only: answers of the server are shown without it, and errors of the client, which may contain such answers, are
not chained to ours.
"""

import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.deployment import forms
from pipeline.deployment.card import Card, model_card
from pipeline.deployment.handler import compose
from pipeline.errors import PublishError
from pipeline.evaluation.rows import Row
from pipeline.models.outline import Outline
from pipeline.reporting import noise_floor, tables
from pipeline.reporting.comparison import others_of
from pipeline.runtimes.base import DESCRIPTION, Description, all_runtimes
from pipeline.steps.execute import StepsResult
from pipeline.tracking.identity import base_models
from pipeline.tracking.job import Job
from pipeline.tracking.server import without_password

log = logging.getLogger(__name__)

NAME_PATTERN = r"(?a:\w([\w.-]*\w)?)"
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
REMEDIES = {
    401: f"make a token at {TOKENS_PAGE}, then hf auth login, or set HF_TOKEN",
    403: f"the token must have write access to it: see {TOKENS_PAGE}",
    404: "check the name, and that the token may see it",
    429: "too many requests: wait some minutes",
}
RUN_IS_KEPT = "; the run itself is kept: repeat the command to publish it without training again"
LOADS = "Optimum and transformers.js load what export_onnx makes, transformers what a training alone makes"
STANDARD = {  # what transformers lacks -> what to set for a form that it loads
    "mean pooling": "with optim.steps.NAME.pooling=first, or backbone.teacher.pooling=first, it can",
    "layers of low rank": "without the step low_rank it can",
}


def check(repository: str | None) -> None:
    """Check name, token and connection before any work. Raises PublishError."""
    if repository is None:
        return
    from huggingface_hub import HfApi, constants

    place = f"publish.hub={repository}"
    if (
        not re.fullmatch(f"({NAME_PATTERN}/)?{NAME_PATTERN}", repository)
        or len(repository) > 96
        or re.search(r"--|\.\.|\.git$", repository)
    ):
        raise PublishError(f"{place}: must be user/name or name, at most 96 letters, digits, - _ .")
    if constants.HF_HUB_OFFLINE:
        raise PublishError(f"{place}: HF_HUB_OFFLINE forbids it; unset it, or leave publish.hub out")
    token = _token(place)
    with _as_publish_error(place, token):
        _require_access(place, HfApi(token=token).whoami())


def check_form(repository: str, planned: Outline) -> None:
    """Say before any work if transformers can't load what will be published, and what to set for it.

    Raises PublishError for random weights, and for what only this project would load.
    """
    from pipeline.runtimes.torch import unknown_parts

    place = f"publish.hub={repository}"
    if not planned.trained:
        raise PublishError(f"{place}: its weights are random, so it can't be published")
    form = planned.form or "torch"
    if not compose.known(form):
        raise PublishError(f"{place}: no other program loads what this makes ({form}), and no handler.py is known; {LOADS}")
    reason = "" if form == "torch" else form
    if not reason and planned.network is not None:
        reason = unknown_parts(planned.network)
    if reason.startswith("onnx"):
        log.info("%s: Optimum and transformers.js load what this makes, transformers alone does not", place)
    elif reason:
        log.info(
            "%s: transformers can't load what this makes (%s), so it gets a handler.py, which needs its runtime alone; %s",
            place, reason, STANDARD.get(reason, LOADS),
        )  # fmt: skip


def upload(artifact: Path, repository: str, card: Card) -> str:
    """Create the repository if necessary, upload artifact, model card and plot; returns the address.

    All files change in one commit. It removes files of an earlier artifact that this one does not have; the repository's
    history keeps them. The owner's settings on the Hub decide who can see a new repository.
    Raises PublishError if the Hub can't be reached or rejects a request.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    place = f"publish.hub={repository}"
    token, description = _token(place), Description.read(artifact)
    if not description.trained:
        raise PublishError(f"{place}: its weights are random, so it was not published")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "published"
        form = forms.write_whatever_loads(artifact, directory)
        files: dict[str, Path | bytes] = {
            path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()
        }
        api = HfApi(token=token)
        with _as_publish_error(place, token, RUN_IS_KEPT):
            url = api.create_repo(repository, exist_ok=True)
        readme = model_card(url.repo_id, description, form, card).encode()
        files |= {"README.md": readme, card.plot.name: card.plot}
        operations: list[Any] = [CommitOperationAdd(name, content) for name, content in files.items()]
        with _as_publish_error(place, token, RUN_IS_KEPT):
            operations += [CommitOperationDelete(name) for name in _stale_files(api.list_repo_files(url.repo_id), files)]
            api.create_commit(url.repo_id, operations, commit_message=f"{card.optim}, measured on {card.data}")
    return str(url)


def _stale_files(present: list[str], files: Mapping[str, Any]) -> list[str]:
    """Files of an earlier artifact in the repository that the new one does not have, also in its subdirectories."""
    patterns = [Path(name) for runtime in all_runtimes() for name in (*runtime.weights, *runtime.files)]
    ours = {".json"} | {pattern.suffix for pattern in patterns}
    folders = {name.removesuffix(DESCRIPTION) for name in present if name.rpartition("/")[2] == DESCRIPTION}
    if "" not in folders:
        return []  # it contains no artifact of ours, so no file is ours
    inner = {f"{pattern.parent.as_posix()}/" for pattern in patterns if pattern.parent != Path()}
    folders |= {folder + each for folder in folders for each in inner}
    old = [
        name for name in present
        if name not in files and (Path(name).suffix in ours or Path(name).name == compose.FILE)
    ]  # fmt: skip
    return [name for name in old if name.removesuffix(Path(name).name) in folders]


def _token(place: str) -> str:
    from huggingface_hub import get_token

    token = get_token()
    if token is None or not re.fullmatch("[!-~]+", token):  # other characters can't be sent in a header
        raise PublishError(f"{place}: no {'token' if token is None else 'usable token'} for the Hub; {REMEDIES[401]}")
    return token


def _require_access(place: str, owner: dict[str, Any]) -> None:
    """Raises PublishError if the token can't write there, according to the Hub."""
    role = owner.get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise PublishError(f"{place}: the token can only read; make one with write access at {TOKENS_PAGE}")
    names = [owner["name"], *(group["name"] for group in owner.get("orgs", []))]
    namespace, slash, _ = place.partition("=")[2].partition("/")
    if role == "write" and slash and namespace.lower() not in [name.lower() for name in names]:
        raise PublishError(f"{place}: the token belongs to {names[0]}, who can write to: {', '.join(names)}")


@contextmanager
def _as_publish_error(place: str, token: str, after: str = "") -> Iterator[None]:
    """Raise errors of the Hub's client as PublishError. Its log and warnings, which quote the server, are not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except PublishError:
        raise
    except Exception as error:  # the client raises dozens of types
        raise PublishError(f"{place}: {_explained(error, token)}{after}") from None
    finally:
        logging.disable(before)


def _explained(error: BaseException, token: str) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    while not isinstance(error, HfHubHTTPError) and error.__cause__ is not None:
        error = error.__cause__
    if not isinstance(error, HfHubHTTPError):
        where = f"the Hub at {without_password(constants.ENDPOINT)} ({type(error).__name__})"
        return f"no proper answer from {where}; check the connection and HF_ENDPOINT, then try again"
    status = error.response.status_code
    remedy = REMEDIES.get(status, "the Hub has a problem: try again later" if status >= 500 else "see its answer")
    answer = "".join(c if c.isprintable() else " " for c in error.server_message or "").replace(token, "...")
    return f"the Hub answered with HTTP {status}{f' ({answer[:300]})' if answer else ''}; {remedy}"


def publish(job: Job, row: Row, made: StepsResult) -> None:
    """Publish the artifact with its model card."""
    config = job.config
    assert config.publish.hub is not None
    if config.backbone.window is not None:
        log.warning(
            "warning: publish.hub=%s: transformers' pipeline answers a long text by its beginning only; this project joins "
            "its windows (backbone.window=%s)", config.publish.hub, config.backbone.window,
        )  # fmt: skip
    rows = [row, *(other for other in others_of(job, row) if other.is_baseline)]
    card = Card(
        optim=row.optim, data=config.data.name, backbone=config.backbone.name, steps=tuple(config.optim.steps),
        table_markdown=f"{tables.table(rows).markdown()}\n\n{noise_floor.explanation(job.tracker, rows)}",
        plot=config.folder("comparison") / "comparison.png", metrics=row.metrics, labels=tuple(job.context.splits.labels),
        base_models=base_models(config),
    )  # fmt: skip
    log.info("published: %s", upload(made.artifact, config.publish.hub, card))
