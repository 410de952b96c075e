"""A real Redis Cluster of three masters with a replica each on loopback, its slots moved and its masters killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Self

import redis

from bench.servers import RealRedis
from state.cluster import SLOTS, slot_of
from streams.offline.servers import HOST, free_port

MASTERS: Final = 3
#: ms of silence after which a node counts as gone
NODE_TIMEOUT_MS: Final = 2_000


class ClusterNode(RealRedis):
    """A node: a server in cluster mode, on ports of its own."""

    name = "redis-node"

    def __init__(self) -> None:
        super().__init__(persist=True)

    def command(self) -> Sequence[str]:
        """The server, with a free port for the cluster's bus."""
        return [
            *super().command(), "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
            "--cluster-port", str(free_port()), "--cluster-replica-validity-factor", "0",
        ]  # fmt: skip

    def say(self, *command: object) -> Any:
        """The reply to a command, as it comes."""
        with redis.Redis(host=HOST, port=self.port, socket_timeout=5) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    @property
    def id(self) -> str:
        """What the cluster calls it."""
        return bytes(self.say("CLUSTER", "MYID")).decode()

    def nodes(self) -> list[list[str]]:
        """The lines of CLUSTER NODES, in words; its own comes first."""
        lines = [line.split() for line in bytes(self.say("CLUSTER", "NODES")).decode().splitlines()]
        return sorted(lines, key=lambda words: "myself" not in words[2])

    @property
    def master(self) -> bool:
        """Whether it runs, and is a master."""
        return self.process is not None and "master" in self.nodes()[0][2]

    def slots(self) -> set[int]:
        """The slots that it serves."""
        ranges = [text.split("-") for text in self.nodes()[0][8:] if not text.startswith("[")]
        return {slot for ends in ranges for slot in range(int(ends[0]), int(ends[-1]) + 1)} if self.master else set()

    @property
    def sound(self) -> bool:
        """Whether it finds all slots served, and is in step with its master if it has one."""
        if b"cluster_state:ok" not in self.say("CLUSTER", "INFO"):
            return False
        said = self.say("INFO", "replication")
        return b"role:master" in said or b"master_link_status:up" in said

    @property
    def copied(self) -> bool:
        """Whether a replica has all that this master has written."""
        said = dict(line.split(":", 1) for line in self.say("INFO", "replication").decode().splitlines() if ":" in line)
        return f"offset={said['master_repl_offset']}," in said.get("slave0", "")


class RealCluster:
    """Three masters, each with a replica; as a context, started and ended."""

    def __init__(self) -> None:
        self.nodes = [ClusterNode() for _ in range(2 * MASTERS)]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        """Its address, of two of its nodes."""
        return f"redis+cluster://{HOST}:{self.nodes[0].port},{HOST}:{self.nodes[-1].port}"

    def __enter__(self) -> Self:
        for node in self.nodes:
            self._stack.enter_context(node)
        self._meet()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def _meet(self) -> None:
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for number, node in enumerate(masters):
            ends = [SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS - 1]
            node.say("CLUSTER", "ADDSLOTSRANGE", *ends)
            node.say("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = node.nodes()[0][1].split("@")[1].split(",")[0]
            self.nodes[0].say("CLUSTER", "MEET", HOST, node.port, bus)
        wait_until(lambda: all(len(node.nodes()) == len(self.nodes) for node in self.nodes), "all nodes have met")
        for master, replica in zip(masters, replicas, strict=True):
            replica.say("CLUSTER", "REPLICATE", master.id)
        self.wait()

    @property
    def masters(self) -> list[ClusterNode]:
        """The nodes that are masters now."""
        return [node for node in self.nodes if node.master]

    def wait(self) -> None:
        """Return once every node that runs finds all slots served, and every replica is in step."""
        wait_until(lambda: all(node.sound for node in self.nodes if node.process), "the cluster is sound")

    def owner(self, key: bytes) -> ClusterNode:
        """The master that serves a key's slot now."""
        return next(node for node in self.masters if slot_of(key) in node.slots())

    def other(self, node: ClusterNode) -> ClusterNode:
        """A master that is another one."""
        return next(master for master in self.masters if master is not node)

    def begin_moving(self, key: bytes, to: ClusterNode) -> ClusterNode:
        """Announce that the slot of a key goes to another master; the one where it still is."""
        source = self.owner(key)
        to.say("CLUSTER", "SETSLOT", slot_of(key), "IMPORTING", source.id)
        source.say("CLUSTER", "SETSLOT", slot_of(key), "MIGRATING", to.id)
        return source

    def move_keys(self, source: ClusterNode, key: bytes, to: ClusterNode, most: int = 100) -> int:
        """Move so many keys of a key's slot; how many went."""
        names = source.say("CLUSTER", "GETKEYSINSLOT", slot_of(key), most)
        if names:
            source.say("MIGRATE", HOST, to.port, "", 0, 5_000, "KEYS", *names)
        return len(names)

    def end_moving(self, source: ClusterNode, key: bytes, to: ClusterNode) -> None:
        """Give the slot to its new master: told to that one first, then to the old one and all others."""
        for node in [to, source, *self.masters]:
            node.say("CLUSTER", "SETSLOT", slot_of(key), "NODE", to.id)

    def move(self, key: bytes, to: ClusterNode, at_once: int = 100) -> None:
        """Move the slot of a key, with its keys, as `redis-cli --cluster reshard` does."""
        source = self.begin_moving(key, to)
        while self.move_keys(source, key, to, at_once):
            pass
        self.end_moving(source, key, to)

    def replica(self, master: ClusterNode) -> ClusterNode:
        """The replica of a master."""
        return next(node for node in self.nodes if node.process is not None and node.nodes()[0][3] == master.id)

    def flush(self) -> None:
        """Empty it."""
        for node in self.masters:
            node.say("FLUSHALL")


def wait_until(done: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Look until it is so. Fails after so many seconds."""
    deadline = monotonic() + seconds
    while not done():
        assert monotonic() < deadline, f"not within {seconds} s: {what}"
        sleep(0.05)
