"""From features to an order: rankers, online weights, adjustments, rules of a page, explanations."""
