"""The rules of each kind of plugin, and the functions that check all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from siamkit.errors import PluginError
from siamkit.host import registry
from siamkit.protocols import Detector, Encoder, IndexBackend, Modality
from siamkit.testing import (
    building,
    crop,
    damage,
    detector,
    encoder,
    encoder_folder,
    every_plugin,
    index,
    mining,
    modality,
    purging,
    saving,
    sharing,
)
from siamkit.testing.rule import Failure, Result, Rule, rules_of, run
from siamkit.testing.subjects import (
    SUBJECTS,
    DetectorSubject,
    EncoderSubject,
    IndexSubject,
    ModalitySubject,
    Sampled,
    Subject,
    make_subject,
)

MODULES = {
    ModalitySubject: (every_plugin, modality, encoder, crop, encoder_folder),
    EncoderSubject: (encoder,),
    DetectorSubject: (every_plugin, detector),
    IndexSubject: (every_plugin, index, saving, damage, building, purging, sharing, mining),
}
RULES: dict[type[Subject], Sequence[Rule[Any]]] = {
    kind: [rule for module in modules for rule in rules_of(module)]
    for kind, modules in MODULES.items()
}


def checks_of(plugin: object) -> Sequence[Rule[Any]]:
    """Every rule of a plugin's kind, in order."""
    return RULES[type(make_subject(plugin))]


def results(plugin: object) -> Iterator[Result]:
    """Run all checks of a plugin, of whatever kind it is."""
    subject = make_subject(plugin)
    for rule in RULES[type(subject)]:
        yield run(rule, subject)


def check_modality(plugin: Modality[Any]) -> list[Result]:
    """Run all checks of a modality, and of its default encoder with its own examples.

    Returns the result of each; raises Failure, with one line per failed check. Without weights
    the checks that need them are skipped.
    """
    return _all_results(ModalitySubject(plugin))


def check_encoder(encoder: Encoder[Any], samples: Sequence[tuple[str, Any]]) -> list[Result]:
    """Run all checks of an open encoder on (identity, decoded medium) pairs. Raises Failure."""
    return _all_results(EncoderSubject(Sampled(encoder, samples)))


def check_detector(plugin: Detector[Any]) -> list[Result]:
    """Run all checks of a region detector. Raises Failure, with one line per failed check.

    It looks at the media of its own `examples()`, a list, or at the examples of the installed
    modalities that use it.
    """
    return _all_results(DetectorSubject(plugin))


def check_index(backend: IndexBackend) -> list[Result]:
    """Run all checks of an index backend. Raises Failure, with one line per failed check."""
    return _all_results(IndexSubject(backend))


def check_installed(name: str) -> Iterator[tuple[str, Result]]:
    """Yield (entry point group, result) for every check of every plugin of that name.

    One that cannot be loaded fails the check `loads`. Raises PluginError if there is none.
    """
    plugins = registry.all_installed()
    matching = [plugin for plugin in plugins if plugin.name == name]
    if not matching:
        hint = registry.suggest(name, [plugin.name for plugin in plugins])
        raise PluginError(f"no plugin {name!r} is installed", hint=hint)
    for plugin in matching:
        try:
            loaded = registry.load(plugin.group, plugin.name)
        except PluginError as error:
            yield plugin.group, Result(str(plugin), "loads", "failed", str(error))
            continue
        yield plugin.group, Result(str(plugin), "loads", "ok")
        for result in results(SUBJECTS[plugin.group](loaded)):
            yield plugin.group, result


def _all_results(subject: Subject) -> list[Result]:
    done = list(results(subject))
    if failed := [str(result) for result in done if result.state == "failed"]:
        raise Failure("\n".join(failed))
    return done
