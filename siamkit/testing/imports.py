"""Rules of every plugin: its name, and what its import may do."""

from __future__ import annotations

from siamkit.host import contract
from siamkit.host.contract import PLUGIN_NAME
from siamkit.protocols import PROTOCOL
from siamkit.testing.outcome import Failure, lacking
from siamkit.testing.subjects import Subject


def check_name_is_plain(seen: Subject) -> None:
    """`name` is the entry point's name: lower case, `[a-z][a-z0-9-]*`."""
    name = getattr(seen.plugin, "name", None)
    if not isinstance(name, str) or not PLUGIN_NAME.fullmatch(name):
        raise Failure(
            f"a name like {PLUGIN_NAME.pattern}", repr(name), "set `name` to the entry point's name"
        )


def check_protocol_is_known(seen: Subject) -> None:
    """`protocol`, if there is one, is the version that this siamkit has."""
    if fault := contract.protocol_fault(seen.plugin):
        wanted, fix = f"protocol {PROTOCOL}", f"leave it out, or set protocol = {PROTOCOL}"
        raise Failure(wanted, f"it {fault}", fix)


def check_import_works(seen: Subject) -> None:
    """The module imports, and the class is made without arguments, in a fresh process."""
    if seen.report.import_error and not seen.report.network:
        raise Failure(
            "a class that is imported and made without arguments", seen.report.import_error,
            "do nothing in __init__ but remember; import what may be absent inside of functions",
        )  # fmt: skip


def check_import_is_light(seen: Subject) -> None:
    """Neither the import nor the constructor loads packages that take seconds."""
    _needs_import(seen)
    if seen.report.heavy:
        raise Failure(
            "an import that loads none of the packages that take seconds",
            ", ".join(seen.report.heavy), "import them inside of the functions that need them",
        )  # fmt: skip


def check_import_says_nothing(seen: Subject) -> None:
    """Importing prints nothing: standard output belongs to the commands' answers."""
    _needs_import(seen)
    if seen.report.import_prints:
        raise Failure(
            "nothing on standard output", repr(seen.report.import_prints[:80]),
            "remove print; use logging.getLogger(__name__)",
        )  # fmt: skip


def check_use_says_nothing(seen: Subject) -> None:
    """Used, a plugin prints nothing either."""
    _needs_import(seen)
    if seen.report.use_prints:
        raise Failure(
            "nothing on standard output", repr(seen.report.use_prints[:80]),
            "remove print; use logging.getLogger(__name__), or siamkit.sdk.quiet around what talks",
        )  # fmt: skip


def check_import_starts_no_threads(seen: Subject) -> None:
    """Importing and constructing leave no thread behind."""
    _needs_import(seen)
    if seen.report.threads:
        raise Failure(
            "no thread", f"running: {', '.join(seen.report.threads)}",
            "start threads when there is work, inside of a method",
        )  # fmt: skip


def check_process_is_left_alone(seen: Subject) -> None:
    """Neither import nor use changes the working directory, signals, root logging or the like."""
    _needs_import(seen)
    if seen.report.changed:
        raise Failure(
            "a process as it was", "; ".join(seen.report.changed),
            "leave them to the program: paths instead of chdir, logging.getLogger(__name__)",
        )  # fmt: skip


def check_no_network(seen: Subject) -> None:
    """Neither the import nor the use of what is installed asks the network for anything."""
    if seen.report.network:
        raise Failure(
            "no use of the network", f"asked for {', '.join(seen.report.network[:3])}",
            "ship the weights, or raise MissingWeights with the command that fetches them",
        )  # fmt: skip


def _needs_import(seen: Subject) -> None:
    if seen.report.import_error:
        raise lacking("import_works")


CHECKS = (
    check_name_is_plain,
    check_protocol_is_known,
    check_import_works,
    check_import_is_light,
    check_import_says_nothing,
    check_use_says_nothing,
    check_import_starts_no_threads,
    check_process_is_left_alone,
    check_no_network,
)
