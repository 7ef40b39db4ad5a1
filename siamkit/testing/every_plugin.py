"""Rules of every plugin: its members, its import, and what it leaves alone."""

from __future__ import annotations

from siamkit.host import contract
from siamkit.testing.rule import needs_failed, require, rule
from siamkit.testing.subjects import Subject


@rule("set the attribute, or leave out an optional one; see siamkit.protocols")
def members_fit(subject: Subject) -> None:
    """Name, attributes and methods are those of the plugin's protocol, in this version."""
    name = str(getattr(subject.plugin, "name", None))
    fault = contract.plugin_fault(subject.plugin, subject.group, name)
    require(not fault, f"it {fault}")


@rule("only store values in __init__; import optional packages inside functions")
def import_works(subject: Subject) -> None:
    """The module imports, and the class is constructed without arguments, in a fresh process."""
    if subject.report.import_error and subject.report.network:
        raise needs_failed("no_network")
    require(not subject.report.import_error, subject.report.import_error)


@rule("import them inside the functions that need them", import_works)
def import_is_light(subject: Subject) -> None:
    """Neither the import nor the constructor loads packages that take seconds."""
    require(not subject.report.heavy, ", ".join(subject.report.heavy))


@rule("use logging.getLogger(__name__), or siamkit.sdk.quiet around a library", import_works)
def prints_nothing(subject: Subject) -> None:
    """Neither import nor use prints: standard output belongs to the commands' answers."""
    require(not subject.report.prints, repr(subject.report.prints[:80]))


@rule("start threads when there is work, inside a method", import_works)
def import_starts_no_threads(subject: Subject) -> None:
    """Importing and constructing leave no thread behind, which could keep a command from ending."""
    require(not subject.report.threads, f"running: {', '.join(subject.report.threads)}")


@rule("use paths, not chdir; logging.getLogger(__name__); np.errstate", import_works)
def process_is_left_alone(subject: Subject) -> None:
    """Neither import nor use changes the working directory, Ctrl-C, root logging or np.seterr."""
    require(not subject.report.changed, "; ".join(subject.report.changed))


@rule("ship the weights, or raise MissingWeights with the command that fetches them")
def no_network(subject: Subject) -> None:
    """Neither import nor use asks the network for anything, but a Shared index its server."""
    require(not subject.report.network, f"requests to {', '.join(subject.report.network[:3])}")
