"""The formats by name."""

from __future__ import annotations

from typing import Final

from streams.offline.importers.table.formats import ga4, merchant, shopify, woocommerce
from streams.offline.importers.table.formats.base import Format

FORMATS: Final[dict[str, Format]] = {
    some.name: some for some in (merchant.FORMAT, shopify.FORMAT, woocommerce.FORMAT, ga4.FORMAT)
}
