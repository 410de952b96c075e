"""The web pages of a worker, on Faust's port: /health, /ready, /metrics, and the operator's /explain and /user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.web import Request, Response, View

from streams.worker.operator_pages import add_operator_pages

if TYPE_CHECKING:
    from streams.worker.app import Worker


def add_pages(worker: Worker) -> None:
    """Add the pages to a worker."""

    @worker.app.page("/health")
    async def health(view: View, request: Request) -> Response:
        """200 while the process works."""
        return view.json({"status": "ok", "role": worker.role})

    @worker.app.page("/ready")
    async def ready(view: View, request: Request) -> Response:
        """200 once the worker has its tables and partitions, else 503."""
        state: dict[str, Any] = {"ready": worker.ready, "items": len(worker.brain.catalogue)}
        return view.json(state, status=200 if worker.ready else 503)

    @worker.app.page("/metrics")
    async def metrics(view: View, request: Request) -> Response:
        """All metrics, for Prometheus."""
        return view.bytes(worker.metrics.text(), content_type="text/plain; version=0.0.4")

    add_operator_pages(worker)
