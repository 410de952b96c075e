"""A TCP proxy on 127.0.0.1 that cuts, stalls or refuses connections when a test says so."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Self

#: what is sent on of some bytes, and whether the connection is cut after it
Verdict = tuple[bytes, bool]
#: looks at bytes on their way to the server or, with False, back
Look = Callable[[bool, bytes], Verdict]


def pass_on(to_server: bool, data: bytes) -> Verdict:
    """Everything goes through."""
    return data, False


class Proxy:
    """Connections to ``port`` go on to ``target``, another port of this host.

    ``cuts`` counts the connections that were cut; ``look`` may be set at any time; while ``refusing``, new connections
    end at once; while ``stalled``, nothing goes through.
    """

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.look: Look = pass_on
        self.refusing = False
        self.stalled = False
        self.cuts = 0
        self._ends: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._listener.close()
        self.cut_all()

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._ends)

    def cut_all(self) -> None:
        """Cut every connection."""
        with self._lock:
            ends = list(self._ends)
        for pair in ends:
            self._cut(pair)

    def cut_at_random(self, cuts: int, seconds: float, seed: int) -> threading.Thread:
        """Cut one connection after another, so many, at random moments that are ``seconds`` apart on average."""
        random = Random(seed)

        def cutting() -> None:
            aim = self.cuts + cuts
            while self.cuts < aim and not self._closed.is_set():
                self._closed.wait(random.expovariate(1 / seconds))
                with self._lock:
                    ends = sorted(self._ends, key=id)
                if ends:
                    self._cut(random.choice(ends))

        thread = threading.Thread(target=cutting, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                _reset(client)
                continue
            for end in (client, server):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = client, server
            with self._lock:
                self._ends.add(pair)
            for to_server in (True, False):
                threading.Thread(target=self._pump, args=(pair, to_server), daemon=True).start()

    def _pump(self, pair: tuple[socket.socket, socket.socket], to_server: bool) -> None:
        source, sink = pair if to_server else (pair[1], pair[0])
        try:
            while data := source.recv(1 << 16):
                while self.stalled and not self._closed.is_set():
                    time.sleep(0.01)
                send, cut = self.look(to_server, data)
                if send:
                    sink.sendall(send)
                if cut:
                    self._cut(pair)
                    return
            self._end(pair)
        except OSError:
            self._end(pair)

    def _cut(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if pair not in self._ends:
                return
            self._ends.discard(pair)
            self.cuts += 1
        for end in pair:
            _reset(end)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._ends.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


def _reset(end: socket.socket) -> None:
    """Close without saying goodbye."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
