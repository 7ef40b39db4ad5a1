"""Embed in several processes, often on several machines: `--workers N|ray://HOST:10001`.

This process reads the sources, sends their contents to workers, and takes the outcomes back in
order, so that one process alone writes to the store. A worker has its own models, and as many
threads as cores. What it had when it died is given to others, each sample alone; a sample at which
a worker dies again fails, and the rest go on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from siamkit.embed import worker
from siamkit.embed.batches import EmbeddedSource, Job, Skip
from siamkit.embed.pipeline import Pipeline
from siamkit.embed.ray_cluster import Place, connect, is_connected, last_line, parse_workers
from siamkit.embed.region_choosers import Chooser
from siamkit.embed.worker import Installed, Models, Shipped
from siamkit.embed.worker_queue import WorkerQueue
from siamkit.errors import SiamkitError
from siamkit.models import shipped

START_SECONDS = 60  # for processes to start where the cores are free
log = logging.getLogger("siamkit")


@dataclass(slots=True, eq=False)
class RemoteWorker:
    """A worker's process, as this one sees it."""

    place: Place
    actor: Any
    opening: Any = None  # the reference to the outcome of its `open`, until it is ready


class Workers:
    """Workers whose models are open, and equal to those of this process."""

    def __init__(self, pipeline: Pipeline, models: Models, places: Sequence[Place]) -> None:
        self._models = models
        self._expected = worker.describe_installed(pipeline)
        self.all: list[RemoteWorker] = []
        try:
            for place in places:
                with _naming_what_is_absent(place):
                    self.all.append(RemoteWorker(place, _start(place)))
            self._open_all()
        except BaseException:
            self.close()
            raise

    def embed_all(
        self,
        pipeline: Pipeline,
        jobs: Iterable[Job],
        choose: Chooser,
        *,
        skip: Skip | None = None,
    ) -> Iterator[list[EmbeddedSource]]:
        """Embed every job once; see `batches.embed_all`. The workers end with it."""
        try:
            yield from WorkerQueue(self, pipeline, jobs, choose, skip).run()
            self._log_notes()
        except Exception as error:
            if isinstance(error, SiamkitError) or is_connected():
                raise
            raise SiamkitError(
                "the Ray cluster is gone", hint="run the same command again to continue"
            ) from error
        finally:
            self.close()

    def restart(self, dead: RemoteWorker) -> None:
        """Start a worker's process again, and begin to open its models."""
        import ray

        with suppress(Exception):
            ray.kill(dead.actor)
        dead.actor = _start(dead.place)
        dead.opening = dead.actor.open.remote(self._models)

    def finish_opening(self, opened: RemoteWorker) -> None:
        """Take the outcome of a restarted worker's `open`; leave the worker out if it failed."""
        import ray

        try:
            self._require_equal(opened.place, ray.get(opened.opening))
            opened.opening = None
        except (SiamkitError, ray.exceptions.RayError) as error:
            self.all.remove(opened)
            reason = (
                error
                if isinstance(error, SiamkitError)
                else "its machine is gone, or it died again"
            )
            log.warning(f"{opened.place.name} is left out: {reason}")

    def close(self) -> None:
        """End the workers' processes."""
        import ray

        for member in self.all if is_connected() else []:
            with suppress(Exception):  # its machine may be gone
                ray.kill(member.actor)
        self.all.clear()

    def _open_all(self) -> None:
        import ray

        waiting = {member.actor.wait.remote(): member for member in self.all}
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=START_SECONDS)
        for reference in ready:
            with _naming_what_is_absent(waiting[reference].place):
                ray.get(reference)
        started = {id(waiting[reference]) for reference in ready}
        for member in [m for m in self.all if id(m) not in started]:
            ray.kill(member.actor)
            self.all.remove(member)
            log.warning(f"{member.place.name} is left out: no cores are free for it")
        if not self.all:
            raise SiamkitError(
                f"no worker could start within {START_SECONDS} s: the cluster has no free cores",
                hint="wait for what else runs there; `ray status` shows it",
            )
        outcomes = ray.get([member.actor.open.remote(self._models) for member in self.all])
        for member, outcome in zip(self.all, outcomes, strict=True):
            self._require_equal(member.place, outcome)
        cores = sum(member.place.cores for member in self.all)
        count = len(self.all)
        log.warning(
            f"embedding by {count} worker{'s' * (count > 1)} with {cores} core{'s' * (cores > 1)}"
        )

    def _require_equal(self, place: Place, outcome: Installed | SiamkitError) -> None:
        """Raise SiamkitError unless a worker has what this process has."""
        expected = self._expected
        install = f"install the same there as here: `pip install siamkit=={expected.siamkit}`"
        if isinstance(outcome, SiamkitError):
            raise SiamkitError(
                f"{place.name}: {outcome}", hint=f"{install}, and {'; '.join(expected.plugins)}"
            ) from outcome
        if outcome.siamkit != expected.siamkit:
            raise SiamkitError(
                f"{place.name} has siamkit {outcome.siamkit}, this process {expected.siamkit}",
                hint=install,
            )
        for theirs, ours in zip(outcome.plugins, expected.plugins, strict=True):
            if theirs != ours:
                raise SiamkitError(f"{place.name} has {theirs}, this process {ours}", hint=install)
        if outcome.fingerprint != expected.fingerprint:
            raise SiamkitError(
                f"{place.name} has another encoder: its fingerprint is {outcome.fingerprint},"
                f" not {expected.fingerprint}",
                hint=f"{install}, or delete the encoder in the cache there",
            )

    def _log_notes(self) -> None:
        import ray

        notes = logging.getLogger("siamkit.notes")
        with suppress(ray.exceptions.RayError):
            opened = [member for member in self.all if member.opening is None]
            for lines in ray.get([member.actor.notes.remote() for member in opened]):
                for line in lines:
                    notes.warning(line)


@contextmanager
def open_workers(workers: int | str, pipeline: Pipeline, models: Models) -> Iterator[Workers]:
    """Connect to workers, or start them, and open the models of a pipeline in each.

    workers: their number on this machine, or the address of a Ray cluster, which gets one on each
    of its machines. Raises BadInput for anything else, MissingPackage without Ray, SiamkitError if
    no cluster answers, or a worker has not what this process has.
    """
    with connect(parse_workers(workers)) as places:
        team = Workers(pipeline, _with_folders(pipeline, models), places)
        try:
            yield team
        finally:
            team.close()


def _start(place: Place) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    options: dict[str, Any] = {"num_cpus": place.cores, "max_restarts": 0}
    if place.node:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(place.node, soft=False)
    return ray.remote(worker.Worker).options(**options).remote(place.cores)


@contextmanager
def _naming_what_is_absent(place: Place) -> Iterator[None]:
    """Raise SiamkitError, with the cure, if a worker's process cannot run siamkit."""
    from siamkit import __version__

    try:
        yield
    except Exception as error:
        absent = re.search(r"No module named '([\w.]+)'", str(error))
        if absent is None:
            raise SiamkitError(
                f"{place.name} does not start: {last_line(error)}",
                hint="run the same command again; the head's log in /tmp/ray says more",
            ) from error
        raise SiamkitError(
            f"{place.name} cannot run siamkit: it has no package {absent[1]}",
            hint=f"`pip install siamkit=={__version__}` on every machine of the cluster, for the"
            " Python that runs Ray",
        ) from error


def _with_folders(pipeline: Pipeline, models: Models) -> Models:
    """Return the models with the folders that other machines cannot know."""
    encoder = shipped.encoder_to_ship(pipeline.modality, models.encoder)
    detector = shipped.detector_to_ship(models.detector)
    return replace(
        models,
        shipped_encoder=_ship(encoder) if encoder else None,
        shipped_detector=_ship(detector) if detector else None,
    )


def _ship(folder: Path) -> Shipped:
    import ray

    files = shipped.read_files(folder)
    return Shipped(shipped.hash_files(files), ray.put(files))
