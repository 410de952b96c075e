"""How large an event and each of its parts may be: what is more is refused, with the field, the value and the limit.

``docs/asyncapi.json`` says them too, as maxLength, maxItems, maxProperties and maximum.
"""

from __future__ import annotations

from typing import Final

#: a record in all, in bytes
MAX_RECORD_BYTES: Final = 1 << 20

# ---------------------------------------------------------------- texts, in characters
ID_CHARACTERS: Final = 128
#: a rule's record has the key ``rule:`` and the id
RULE_ID_CHARACTERS: Final = 120
TEXT_CHARACTERS: Final = 2_000
DESCRIPTION_CHARACTERS: Final = 20_000
BRAND_CHARACTERS: Final = 200
LINK_CHARACTERS: Final = 2_000
ATTRIBUTE_NAME_CHARACTERS: Final = 200
ATTRIBUTE_CHARACTERS: Final = 500

# ---------------------------------------------------------------- an item
CATEGORY_LEVELS: Final = 10
ATTRIBUTES: Final = 100
#: texts of one attribute
ATTRIBUTE_TEXTS: Final = 50
VECTOR_NUMBERS: Final = 4_096

# ---------------------------------------------------------------- a behaviour
SHOWN_ITEMS: Final = 1_000
POSITION: Final = 10_000
QUANTITY: Final = 1_000_000

# ---------------------------------------------------------------- a query
CART_ITEMS: Final = 200
CANDIDATES: Final = 1_000
EXCLUDED_ITEMS: Final = 1_000
FACETS: Final = 20
PAGE_ITEMS: Final = 100
PAGE_OFFSET: Final = 1_000
#: categories or brands of a filter, and values wanted of one attribute
FILTER_VALUES: Final = 100
FILTERED_ATTRIBUTES: Final = 20

# ---------------------------------------------------------------- a rule
RULE_ITEMS: Final = 1_000
RULE_GROUPS: Final = 100
RULE_POSITION: Final = 1_000

# ---------------------------------------------------------------- numbers
#: to 2106: seconds are stored in 32 bits
TIME_MS: Final = 4_294_967_295_999
PRICE: Final = 1e12
