"""How tests are spread over processes: file by file, what takes long first, what needs real Kafka in one of them."""

from __future__ import annotations

from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

__all__ = ["KAFKA", "SLOW", "Spread"]

#: what needs real Kafka, or a worker that many tests share, by the beginning of its path in tests/
KAFKA: Final = (
    "integration/", "streams/cli/test_cli.py", "streams/lookup/test_doctor.py", "streams/offline/publishing/",
)  # fmt: skip
#: what takes longest is begun first, so that no process waits for another at the end
SLOW: Final = (
    *KAFKA, "bench/", "test_adding.py", "test_docs_commands.py", "packaging/", "streams/cli/",
    "client/test_pytest_plugin", "client/test_types", "models/training/", "streams/offline/",
)  # fmt: skip


class Spread(LoadScopeScheduling):  # type: ignore[misc]
    """A file's tests stay together, so that its fixtures are made once; so do those that share Kafka."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0].removeprefix("tests/")
        return "kafka" if path.startswith(KAFKA) else path
