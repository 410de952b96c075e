"""Showing now and then what would not have been shown, with its propensity."""
