"""Experiments: arms whose answers differ in their plans, and what their users did."""
