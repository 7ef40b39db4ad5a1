"""Rules of every plugin: its name, its import, and what it leaves alone."""

from __future__ import annotations

from siamkit.host import contract
from siamkit.host.contract import PLUGIN_NAME
from siamkit.protocols import PROTOCOL
from siamkit.testing.outcome import Failure, needs_failed
from siamkit.testing.subjects import Subject


def check_name_is_plain(subject: Subject) -> None:
    """`name` is the entry point's name: lower case, `[a-z][a-z0-9-]*`."""
    name = getattr(subject.plugin, "name", None)
    if not isinstance(name, str) or not PLUGIN_NAME.fullmatch(name):
        raise Failure(
            f"a name like {PLUGIN_NAME.pattern}", repr(name), "set `name` to the entry point's name"
        )


def check_protocol_is_known(subject: Subject) -> None:
    """`protocol`, if there is one, is this siamkit's version of the protocols."""
    if fault := contract.protocol_fault(subject.plugin):
        fix = f"leave it out, or set protocol = {PROTOCOL}"
        raise Failure(f"protocol {PROTOCOL}", f"it {fault}", fix)


def check_import_works(subject: Subject) -> None:
    """The module imports, and the class is constructed without arguments, in a fresh process."""
    if subject.report.import_error and not subject.report.network:
        raise Failure(
            "a class that imports and is constructed without arguments",
            subject.report.import_error,
            "only store values in __init__; import optional packages inside functions",
        )


def check_import_is_light(subject: Subject) -> None:
    """Neither the import nor the constructor loads packages that take seconds."""
    _require_import(subject)
    if subject.report.heavy:
        raise Failure(
            "an import that loads none of the packages that take seconds",
            ", ".join(subject.report.heavy),
            "import them inside the functions that need them",
        )


def check_import_prints_nothing(subject: Subject) -> None:
    """Importing prints nothing: standard output belongs to the commands' answers."""
    _require_import(subject)
    if subject.report.import_prints:
        raise Failure(
            "nothing on standard output",
            repr(subject.report.import_prints[:80]),
            "remove print; use logging.getLogger(__name__)",
        )


def check_use_prints_nothing(subject: Subject) -> None:
    """A plugin prints nothing while it is used either."""
    _require_import(subject)
    if subject.report.use_prints:
        raise Failure(
            "nothing on standard output",
            repr(subject.report.use_prints[:80]),
            "remove print; use logging.getLogger(__name__), or siamkit.sdk.quiet around a library"
            " that prints",
        )


def check_import_starts_no_threads(subject: Subject) -> None:
    """Importing and constructing leave no thread behind, which could keep a command from ending."""
    _require_import(subject)
    if subject.report.threads:
        raise Failure(
            "no thread",
            f"running: {', '.join(subject.report.threads)}",
            "start threads when there is work, inside a method",
        )


def check_process_is_left_alone(subject: Subject) -> None:
    """Neither import nor use changes the working directory, Ctrl-C, root logging or np.seterr."""
    _require_import(subject)
    if subject.report.changed:
        raise Failure(
            "unchanged settings of the process",
            "; ".join(subject.report.changed),
            "leave them to the program: paths, not chdir; logging.getLogger(__name__); np.errstate",
        )


def check_no_network(subject: Subject) -> None:
    """Neither the import nor the use of an installed plugin asks the network for anything."""
    if subject.report.network:
        raise Failure(
            "no use of the network",
            f"requests to {', '.join(subject.report.network[:3])}",
            "ship the weights, or raise MissingWeights with the command that fetches them",
        )


def _require_import(subject: Subject) -> None:
    if subject.report.import_error:
        raise needs_failed("import_works")


CHECKS = (
    check_name_is_plain,
    check_protocol_is_known,
    check_import_works,
    check_import_is_light,
    check_import_prints_nothing,
    check_use_prints_nothing,
    check_import_starts_no_threads,
    check_process_is_left_alone,
    check_no_network,
)
